//! What an answer of DataStorage means for the events that were sent (audit §3.5). Pure.

use std::time::Duration;

use crate::datastorage::{CallError, Delivery, Refused};

/// What has to happen next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Delivered,
    /// Taken; to be confirmed.
    Accepted,
    /// Nobody knows; to be confirmed.
    Ambiguous,
    /// Not stored, and not the events' fault.
    Outage(Outage),
    /// Not stored; the server's database refused, for reasons that may lie in an event.
    ServerError,
    /// One of the events is refused; which one, where the server says so.
    Poison {
        index: Option<usize>,
        refused: Refused,
        expired: bool,
    },
    TooLarge(Refused),
}

/// The server does not take anything now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) class: OutageClass,
    pub(super) retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutageClass {
    /// No connection.
    Unreachable,
    /// Overloaded, restarting, throttling.
    Unavailable,
    /// Our token.
    Unauthorized,
    /// Our permissions.
    Forbidden,
    /// Not the API we know.
    WrongServer,
    /// It believes that our events come from the future.
    ClockSkew,
}

impl OutageClass {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::WrongServer => "wrong_server",
            Self::ClockSkew => "clock_skew",
        }
    }

    /// Whether waiting alone will not help: a person has to look.
    pub(super) fn needs_a_person(self) -> bool {
        match self {
            Self::Unreachable | Self::Unavailable => false,
            Self::Unauthorized | Self::Forbidden | Self::WrongServer | Self::ClockSkew => true,
        }
    }
}

/// `confirms`: whether a 202 has to be confirmed.
pub(super) fn verdict(delivery: Delivery, confirms: bool) -> Verdict {
    match delivery {
        Delivery::Stored => Verdict::Delivered,
        Delivery::Accepted if confirms => Verdict::Accepted,
        Delivery::Accepted => Verdict::Delivered,
        Delivery::NotSent(_) => outage(OutageClass::Unreachable, None),
        Delivery::Ambiguous(_) => Verdict::Ambiguous,
        Delivery::Refused(refused) => match refused.status {
            400 if says(&refused.detail, "future") => outage(OutageClass::ClockSkew, refused.retry_after),
            413 => Verdict::TooLarge(refused),
            500 => Verdict::ServerError,
            502 | 504 => Verdict::Ambiguous,
            status => match outage_class(status) {
                Some(class) => outage(class, refused.retry_after),
                None => Verdict::Poison {
                    index: index(&refused.detail),
                    expired: says(&refused.detail, "too old"),
                    refused,
                },
            },
        },
    }
}

/// Why a question could not be answered. Every status counts as an outage here: nothing was asked of an event.
pub(super) fn question_failed(error: &CallError) -> Outage {
    match error {
        CallError::NotSent(_) => Outage { class: OutageClass::Unreachable, retry_after: None },
        CallError::Lost(_) => Outage { class: OutageClass::Unavailable, retry_after: None },
        CallError::Malformed => Outage { class: OutageClass::WrongServer, retry_after: None },
        CallError::Status { status, retry_after } => {
            let class = outage_class(*status).unwrap_or(OutageClass::Unavailable);
            Outage { class, retry_after: *retry_after }
        }
    }
}

fn outage(class: OutageClass, retry_after: Option<Duration>) -> Verdict {
    Verdict::Outage(Outage { class, retry_after })
}

fn outage_class(status: u16) -> Option<OutageClass> {
    match status {
        401 => Some(OutageClass::Unauthorized),
        403 => Some(OutageClass::Forbidden),
        404 | 405 | 410 => Some(OutageClass::WrongServer),
        408 | 425 | 429 => Some(OutageClass::Unavailable),
        400..=499 => None,
        500..=599 => Some(OutageClass::Unavailable),
        _ => Some(OutageClass::WrongServer),
    }
}

/// Whether the server's own sentence about the timestamp says so. A validator's text quotes the event, whose words must
/// not decide: those texts hold a JSON pointer or several lines.
fn says(detail: &str, words: &str) -> bool {
    const OWN_SENTENCE_BYTES_MAX: usize = 300;
    let own_sentence = detail.len() <= OWN_SENTENCE_BYTES_MAX && !detail.contains('\n') && !detail.contains("\"/");
    let detail = detail.to_ascii_lowercase();
    own_sentence && detail.contains("timestamp") && detail.contains(words)
}

/// Position of the first bad event of a batch: `"/3/…` of the validator, `index 3` of the handler (datastorage §3.3).
fn index(detail: &str) -> Option<usize> {
    let after = |mark: &str| {
        let (_, rest) = detail.split_once(mark)?;
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..digits)?.parse().ok()
    };
    after("\"/").or_else(|| after("event at index "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, detail: &str) -> Delivery {
        Delivery::Refused(Refused { status, detail: detail.to_owned(), retry_after: None })
    }

    fn word(delivery: Delivery) -> String {
        match verdict(delivery, true) {
            Verdict::Delivered => "delivered".to_owned(),
            Verdict::Accepted => "accepted".to_owned(),
            Verdict::Ambiguous => "ambiguous".to_owned(),
            Verdict::Outage(outage) => outage.class.as_str().to_owned(),
            Verdict::ServerError => "server error".to_owned(),
            Verdict::Poison { expired: true, .. } => "expired".to_owned(),
            Verdict::Poison { index: Some(index), .. } => format!("poison {index}"),
            Verdict::Poison { index: None, .. } => "poison".to_owned(),
            Verdict::TooLarge(_) => "too large".to_owned(),
        }
    }

    #[test]
    fn every_row_of_the_table() {
        let cases: [(Delivery, &str); 28] = [
            (Delivery::Stored, "delivered"),
            (Delivery::Accepted, "accepted"),
            (Delivery::NotSent("refused".to_owned()), "unreachable"),
            (Delivery::Ambiguous("reset".to_owned()), "ambiguous"),
            (refused(502, ""), "ambiguous"),
            (refused(504, ""), "ambiguous"),
            (refused(500, "database_error"), "server error"),
            (refused(503, ""), "unavailable"),
            (refused(429, ""), "unavailable"),
            (refused(408, ""), "unavailable"),
            (refused(425, ""), "unavailable"),
            (refused(507, ""), "unavailable"),
            (refused(401, ""), "unauthorized"),
            (refused(403, ""), "forbidden"),
            (refused(404, ""), "wrong_server"),
            (refused(405, ""), "wrong_server"),
            (refused(410, ""), "wrong_server"),
            (refused(301, ""), "wrong_server"),
            (refused(413, ""), "too large"),
            (refused(409, ""), "poison"),
            (refused(422, ""), "poison"),
            (refused(400, "timestamp is in the future (server time 2026-01-01T00:00:00Z)"), "clock_skew"),
            (refused(400, "event at index 2: event timestamp is too old"), "expired"),
            (refused(400, "a value is not allowed"), "poison"),
            (refused(400, "Error at \"/3/event_category\": value is not one of"), "poison 3"),
            (refused(400, "event at index 12: bad parent"), "poison 12"),
            (refused(400, "Error at \"/event_data\": the timestamp lies in the future"), "poison"),
            (refused(400, "doesn't match\nvalue: \"timestamp of the future\""), "poison"),
        ];
        for (delivery, expected) in cases {
            let shown = format!("{delivery:?}");
            assert_eq!(word(delivery), expected, "{shown}");
        }
        assert_eq!(verdict(Delivery::Accepted, false), Verdict::Delivered);
    }

    #[test]
    fn a_failed_question_is_an_outage() {
        let status = |status| CallError::Status { status, retry_after: None };
        for (error, class) in [
            (CallError::NotSent(String::new()), "unreachable"),
            (CallError::Lost(String::new()), "unavailable"),
            (CallError::Malformed, "wrong_server"),
            (status(403), "forbidden"),
            (status(500), "unavailable"),
            (status(400), "unavailable"),
        ] {
            assert_eq!(question_failed(&error).class.as_str(), class, "{error:?}");
        }
    }
}
