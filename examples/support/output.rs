//! Notifications as lines: JSON for scripts, text for people.

use orderhook::event::Difference;
use orderhook::notification::{Closed, Standing};
use orderhook::store::Inserted;
use orderhook::{Key, Notification, NotificationState};
use serde_json::{Value, json};

use super::say;

/// What is said about a notification besides its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    AlreadyNotified,
    /// With where it differs, if that was looked at.
    Conflict(Option<Difference>),
}

impl Remark {
    /// What is said about what became of a notification that was to be stored.
    pub fn of(inserted: Inserted, difference: Option<&Difference>) -> Option<Remark> {
        (inserted == Inserted::Differs).then(|| Remark::Conflict(difference.cloned()))
    }
}

impl Remark {
    fn as_str(&self) -> &'static str {
        match self {
            Remark::AlreadyNotified => "already_notified",
            Remark::Conflict(_) => "conflict",
        }
    }
}

/// Prints one notification.
pub fn print(notification: &Notification, remark: Option<Remark>, json: bool) {
    match json {
        true => say(as_json(notification, remark)),
        false => say(as_text(notification, remark).trim_end()),
    }
}

/// Prints that nothing is stored under a key.
pub fn print_absent(key: &Key, json: bool) {
    match json {
        true => say(absent(key)),
        false => say(format_args!("{key}: not stored")),
    }
}

fn absent(key: &Key) -> Value {
    let mut line = json!(key);
    for nothing in ["state", "due", "reference", "reason", "error"] {
        line[nothing] = Value::Null;
    }
    line["attempts"] = json!([]);
    line
}

/// One notification as an object.
pub fn as_json(notification: &Notification, remark: Option<Remark>) -> Value {
    let mut line = json!(notification);
    line["error"] = remark.as_ref().map(Remark::as_str).into();
    line
}

/// What an older version has stored may have characters that cannot be seen: they are shown as `\u{..}`.
fn shown(text: &str) -> String {
    let escaped = |c: char| c.escape_debug().to_string();
    text.chars()
        .map(|c| {
            if escaped(c).starts_with("\\u{") {
                escaped(c)
            } else {
                c.to_string()
            }
        })
        .collect()
}

fn as_text(notification: &Notification, remark: Option<Remark>) -> String {
    let state = match &notification.state {
        NotificationState::Pending { due } => format!("pending, due {due}"),
        NotificationState::Sending { until } => format!("being sent, until {until} at most"),
        NotificationState::Notified { at, reference } => {
            format!("notified {at}, reference {}", shown(reference))
        }
        NotificationState::Failed { reason, .. } => format!("failed: {reason}"),
        NotificationState::Closed {
            why: Closed::Withdrawn { reason },
            ..
        } => format!("withdrawn: {}", shown(reason)),
        NotificationState::Closed { .. } => "not wanted".to_owned(),
        _ => notification.state.name().to_string(),
    };
    let remark = match remark {
        Some(Remark::AlreadyNotified) => "  (already notified)".to_owned(),
        Some(Remark::Conflict(difference)) => {
            let place = difference.map(|difference| format!("; the difference: {difference}"));
            let place = place.unwrap_or_default();
            format!("  (CONFLICT: stored before with other content, which stays{place})")
        }
        None => String::new(),
    };
    let mut text = format!("{}: {state}{remark}\n", notification.key);
    for attempt in &notification.attempts {
        let ms = attempt.took.as_millis();
        text += &format!(
            "    {}  {}  {} ms  {}\n",
            attempt.at, attempt.endpoint, ms, attempt.outcome
        );
    }
    for endpoint in notification.endpoints() {
        if let Standing::Open {
            tries, not_before, ..
        } = endpoint.standing
        {
            text += &format!(
                "    {} is called again, not before {not_before} ({tries} tries so far)\n",
                endpoint.endpoint
            );
        }
    }
    text
}
