//! Amazon's event-stream framing: length, headers, payload, and two checksums.

/// Longest frame taken, in bytes.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Total length, length of the headers, checksum of the two.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;

/// One message. Only headers that are texts are kept: no other is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    pub headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The frame on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            headers.extend_from_slice(name.as_bytes());
            headers.push(TEXT);
            headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
            headers.extend_from_slice(value.as_bytes());
        }
        let total = PRELUDE_BYTES + headers.len() + self.payload.len() + CHECKSUM_BYTES;
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(&length(total));
        bytes.extend_from_slice(&length(headers.len()));
        bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
        bytes.extend_from_slice(&headers);
        bytes.extend_from_slice(&self.payload);
        bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
        bytes
    }
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame's length is impossible")]
    Length,
    #[error("a frame's checksum is wrong")]
    Checksum,
    #[error("a frame's headers cannot be read")]
    Headers,
}

/// Frames from bytes, however they are cut.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    bytes: Vec<u8>,
}

impl FrameDecoder {
    /// The frames these bytes complete.
    ///
    /// # Errors
    /// Bytes that are no frame; what follows them cannot be read either.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        self.bytes.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut taken = 0;
        while let Some((frame, length)) = parse(self.bytes.get(taken..).unwrap_or_default())? {
            frames.push(frame);
            taken += length;
        }
        self.bytes.drain(..taken);
        Ok(frames)
    }

    /// True between two frames.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The first frame and its length; nothing when there is more to come.
fn parse(bytes: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
    let (Some(total), Some(headers), Some(prelude_sum)) = (number(bytes, 0), number(bytes, 4), number(bytes, 8)) else {
        return Ok(None);
    };
    if checksum(bytes.get(..8).unwrap_or_default()) != prelude_sum {
        return Err(FrameError::Checksum);
    }
    let (total, headers) = (total as usize, headers as usize);
    let shortest = PRELUDE_BYTES.saturating_add(headers).saturating_add(CHECKSUM_BYTES);
    if total > FRAME_BYTES_MAX || total < shortest {
        return Err(FrameError::Length);
    }
    let Some(frame) = bytes.get(..total) else { return Ok(None) };
    let (checked, sum) = frame.split_at(total - CHECKSUM_BYTES);
    if number(sum, 0) != Some(checksum(checked)) {
        return Err(FrameError::Checksum);
    }
    let headers_end = PRELUDE_BYTES + headers;
    let headers = read_headers(checked.get(PRELUDE_BYTES..headers_end).unwrap_or_default());
    let payload = checked.get(headers_end..).unwrap_or_default().to_vec();
    Ok(Some((Frame { headers: headers.ok_or(FrameError::Headers)?, payload }, total)))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

const TEXT: u8 = 7;

fn read_headers(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(length.into())?;
        let (&kind, rest) = rest.split_first()?;
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            9 => (16, rest),
            6 | TEXT => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        if kind == TEXT {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            headers.push((text(name), text(value)));
        }
        bytes = rest;
    }
    Some(headers)
}

/// CRC-32 as in Ethernet and gzip.
fn checksum(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let shift = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
    !bytes.iter().fold(!0_u32, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &str) -> Frame {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Frame {
            headers: vec![header(":event-type", "contentBlockDelta"), header(":message-type", "event")],
            payload: payload.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_checksum_is_the_one_everybody_means() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }

    /// The message without headers and payload, as Amazon publishes it.
    #[test]
    fn the_shortest_frame_is_read() {
        let bytes = [0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
        assert_eq!(FrameDecoder::default().push(&bytes), Ok(vec![Frame::default()]));
        assert_eq!(Frame::default().to_bytes(), bytes);
    }

    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut() {
        let frames = [frame("{}"), frame(""), frame("{\"text\":\"ü\"}")];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
        for cut in 1..bytes.len() {
            let mut decoder = FrameDecoder::default();
            let read: Vec<Frame> = bytes.chunks(cut).flat_map(|bytes| decoder.push(bytes).unwrap()).collect();
            assert_eq!(read, frames, "cut every {cut} bytes");
            assert!(decoder.is_empty());
        }
        assert_eq!(frames[0].header(":event-type"), Some("contentBlockDelta"));
    }

    #[test]
    fn a_changed_bit_is_noticed_wherever_it_is() {
        let bytes = frame("{\"text\":\"x\"}").to_bytes();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 4;
            let read = FrameDecoder::default().push(&changed);
            assert!(read.is_err(), "byte {index}: {read:?}");
        }
    }
}
