//! Server-sent events from bytes, however they are cut.

/// One event. `data` lines are joined by line feeds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Empty where the stream names none.
    pub event: String,
    pub data: String,
}

/// Holds the line and the event in the making; whoever feeds it bounds how much that is.
#[derive(Debug, Default)]
pub struct SseDecoder {
    line: Vec<u8>,
    event: SseEvent,
    has_data: bool,
    after_return: bool,
    has_begun: bool,
}

impl SseDecoder {
    /// The events these bytes complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        for &byte in bytes {
            let is_second_of_pair = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                b'\n' if is_second_of_pair => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        events
    }

    /// The event the end of the stream completes: not every server writes the last empty line.
    pub fn finish(mut self) -> Option<SseEvent> {
        let last = if self.line.is_empty() { None } else { self.end_line() };
        last.or_else(|| self.end_event())
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = if self.has_begun { &*text } else { text.trim_start_matches('\u{feff}') };
        self.has_begun = true;
        if text.is_empty() {
            return self.end_event();
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.event),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<SseEvent> {
        let event = std::mem::take(&mut self.event);
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, cut: usize) -> Vec<(String, String)> {
        let mut decoder = SseDecoder::default();
        let mut events: Vec<SseEvent> = text.as_bytes().chunks(cut).flat_map(|bytes| decoder.push(bytes)).collect();
        events.extend(decoder.finish());
        events.into_iter().map(|event| (event.event, event.data)).collect()
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let text = "\u{feff}event: a\ndata: {\"ü\":\ndata:1}\n\n: comment\r\nid: 7\r\ndata:  two\r\n\r\ndata\r\revent: empty\n\nevent: last\ndata: [DONE]";
        let pair = |event: &str, data: &str| (event.to_owned(), data.to_owned());
        let expected = vec![pair("a", "{\"ü\":\n1}"), pair("", " two"), pair("", ""), pair("last", "[DONE]")];
        for cut in 1..text.len() {
            assert_eq!(all(text, cut), expected, "cut every {cut} bytes");
        }
    }
}
