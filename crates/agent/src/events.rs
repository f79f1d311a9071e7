//! Server-sent events, as the HTML standard has them, as far as the hub uses them.

use serde::Deserialize;

/// Longer than any event of the hub.
const LONGEST: usize = 64 << 10;

/// What the hub tells without being asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// No more tokens.
    Frozen {
        /// Why, in one word of the hub.
        reason: String,
    },
    /// Tokens again.
    Active,
    /// What was said about audiences and tokens holds no longer.
    Changed,
}

/// Makes events of pieces of a stream.
#[derive(Default)]
pub(crate) struct Reader {
    unread: Vec<u8>,
    name: String,
    data: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    reason: String,
}

impl Reader {
    /// Takes the next piece and returns the events that are complete with it. An event that nobody
    /// knows counts as a change, so that a newer hub is not misunderstood.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Vec<Event> {
        self.unread.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\r', '\n'])));
        }
        if self.unread.len() > LONGEST {
            self.unread.clear();
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (name, data) = (
                std::mem::take(&mut self.name),
                std::mem::take(&mut self.data),
            );
            return (!name.is_empty()).then(|| named(&name, &data));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" if self.data.len() < LONGEST => self.data.push_str(value),
            _ => {}
        }
        None
    }
}

fn named(name: &str, data: &str) -> Event {
    match name {
        "frozen" => Event::Frozen {
            reason: serde_json::from_str::<Data>(data)
                .unwrap_or_default()
                .reason,
        },
        "active" => Event::Active,
        _ => Event::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_the_stream_is_cut() {
        let stream = ": here\n\nevent: frozen\r\ndata: {\"reason\": \"signed_out\"}\r\n\r\n\
                      :\n\nevent:active\ndata:{}\n\nid: 1\nevent: changed\ndata\n\n";
        let expected = [
            Event::Frozen {
                reason: "signed_out".to_owned(),
            },
            Event::Active,
            Event::Changed,
        ];

        for size in [1, 2, 3, 7, stream.len()] {
            let mut reader = Reader::default();
            let pieces = stream.as_bytes().chunks(size);
            let events: Vec<Event> = pieces.flat_map(|piece| reader.read(piece)).collect();

            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_does_not_fill_the_memory() {
        let mut reader = Reader::default();

        for _ in 0..100 {
            assert!(reader.read(&[b'x'; 10_000]).is_empty());
        }

        assert!(reader.unread.len() <= LONGEST + 10_000);
    }

    #[test]
    fn a_freeze_without_a_reason_is_one() {
        let events = Reader::default().read(b"event: frozen\ndata: nonsense\n\n");

        assert_eq!(
            events,
            [Event::Frozen {
                reason: String::new()
            }]
        );
    }
}
