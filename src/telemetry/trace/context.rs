//! Identity of a span across services (W3C Trace Context, level 1).

use std::fmt;

use uuid::Uuid;

/// Length of a header of version 00.
const HEADER_BYTES: usize = 55;
/// Flag of a trace that is recorded.
const SAMPLED: u8 = 0x01;

/// 16 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// 8 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    pub fn random() -> Self {
        Self(*Uuid::new_v4().as_bytes())
    }
}

impl SpanId {
    pub fn random() -> Self {
        // The last 8 bytes of a version 4 UUID: 62 random bits, and the variant keeps it from being zero.
        let [.., a, b, c, d, e, f, g, h] = *Uuid::new_v4().as_bytes();
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// One span of one trace. Displays as the value of a `traceparent` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// Whether the trace is recorded; whoever began it decided.
    pub is_sampled: bool,
}

impl SpanContext {
    /// Reads a `traceparent` header. A malformed one is `None`: the trace then begins here.
    pub fn parse(header: &str) -> Option<Self> {
        let bytes = header.as_bytes();
        let is_plain = |known: &&[u8]| known.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        let known = bytes.get(..HEADER_BYTES).filter(is_plain)?;
        let mut parts = known.split(|byte| *byte == b'-');
        let [version] = digits(parts.next()?)?;
        let (trace_id, span_id) = (digits(parts.next()?)?, digits(parts.next()?)?);
        let [flags] = digits(parts.next()?)?;
        let ends_well = match version {
            0xff => false,
            0 => bytes.len() == HEADER_BYTES,
            // Later versions may say more.
            _ => bytes.get(HEADER_BYTES).is_none_or(|byte| *byte == b'-'),
        };
        let is_named = trace_id != [0; 16] && span_id != [0; 8];
        (parts.next().is_none() && ends_well && is_named).then_some(Self {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            is_sampled: flags & SAMPLED != 0,
        })
    }

    /// The beginning of a trace.
    pub fn root() -> Self {
        Self { trace_id: TraceId::random(), span_id: SpanId::random(), is_sampled: true }
    }

    /// A new span below this one.
    pub fn child(self) -> Self {
        Self { span_id: SpanId::random(), ..self }
    }
}

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.is_sampled { SAMPLED } else { 0 };
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }
}

/// Exactly `N` bytes as hexadecimal digits.
fn digits<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_standard_says() {
        const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        let cases = [
            (format!("00-{IDS}-01"), Some(true)),
            (format!("00-{IDS}-00"), Some(false)),
            (format!("00-{IDS}-03"), Some(true)),
            (format!("cc-{IDS}-01-what-comes-later"), Some(true)),
            (format!("cc-{IDS}-01"), Some(true)),
            (format!("cc-{IDS}-01.what"), None),
            (format!("00-{IDS}-01-more"), None),
            (format!("ff-{IDS}-01"), None),
            (format!("00-{}-01", IDS.to_uppercase()), None),
            (format!("00-{IDS}"), None),
            (format!("0-{IDS}-001"), None),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None),
            (format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16)), None),
            (format!("00-{IDS}-01").replacen("00-0", "00-+", 1), None),
            (String::new(), None),
            ("é".repeat(40), None),
        ];
        for (header, sampled) in cases {
            let read = SpanContext::parse(&header);
            assert_eq!(read.map(|context| context.is_sampled), sampled, "{header}");
            if let Some(context) = read.filter(|_| header.starts_with("00") && !header.ends_with("03")) {
                assert_eq!(context.to_string(), header);
            }
        }
    }

    #[test]
    fn children_stay_in_the_trace() {
        let root = SpanContext::root();
        let child = root.child();
        assert_eq!((child.trace_id, child.is_sampled), (root.trace_id, true));
        assert_ne!(child.span_id, root.span_id);
        assert_eq!(SpanContext::parse(&child.to_string()), Some(child));
    }
}
