use std::collections::VecDeque;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What is known, and the moment that it is.
struct Told {
    health: Health,
    pace: Pace,
    now: Moment,
    calls: u64,
}

fn id(name: &str) -> EndpointId {
    EndpointId::from_stored(name)
}

fn supplier(name: &str) -> SupplierId {
    SupplierId::new(name).unwrap()
}

impl Told {
    fn new() -> Told {
        let pace = Pace::new(60 * SECOND, 5 * SECOND);
        Told {
            health: Health::default(),
            pace,
            now: Moment::now(),
            calls: 0,
        }
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    fn call(&mut self, name: &str) -> u64 {
        self.calls += 1;
        self.health
            .began(&id(name), self.calls, &self.pace, self.now);
        self.health.left(&id(name), self.calls, self.now);
        self.calls
    }

    fn end(&mut self, name: &str, call: u64, end: CallEnd) -> Vec<SupplierId> {
        self.health
            .ended(&id(name), call, end, &self.pace, self.now)
    }

    /// A call that runs into the limit.
    fn hang(&mut self, name: &str) {
        let call = self.call(name);
        self.wait(60 * SECOND);
        self.end(name, call, CallEnd::AtLimit);
    }

    fn condition(&self, name: &str) -> Condition {
        self.health.condition(&id(name), &self.pace, self.now)
    }

    fn may_be_called(&self, name: &str, is_new: bool) -> bool {
        self.health
            .news(&id(name))
            .unwrap()
            .may_be_called_again(is_new, self.now)
    }

    fn leave_out(&mut self, name: &str, by: &str) -> Duration {
        self.health
            .left_out(&id(name), &supplier(by), &self.pace, self.now)
    }

    fn due(&mut self) -> Option<(EndpointId, Vec<SupplierId>)> {
        self.health.call_due(self.now, 3 * SECOND)
    }
}

#[test]
fn nothing_is_known_of_an_endpoint_until_it_answers_or_is_silent_for_two_seconds() {
    let mut told = Told::new();
    assert_eq!(told.condition("a"), Condition::Unknown);
    let call = told.call("a");
    told.wait(SECOND * 2 - Duration::from_millis(1));
    assert_eq!(told.condition("a"), Condition::Unknown);
    told.wait(Duration::from_millis(1));
    assert_eq!(told.condition("a"), Condition::Silent);
    told.end("a", call, CallEnd::Answered);
    assert_eq!(told.condition("a"), Condition::Answers);
    assert_eq!(
        told.condition("b"),
        Condition::Unknown,
        "of another endpoint this says nothing"
    );
}

#[test]
fn what_was_cut_short_or_blocked_says_nothing() {
    let mut told = Told::new();
    let call = told.call("a");
    told.wait(60 * SECOND);
    told.end("a", call, CallEnd::NoNews);
    assert_eq!(told.condition("a"), Condition::Unknown);
}

#[test]
fn one_that_is_slow_is_not_silent_while_answers_keep_coming() {
    let mut told = Told::new();
    let mut open = VecDeque::new();
    for _ in 0..8 {
        open.push_back(told.call("a"));
        told.wait(SECOND);
    }
    // Each takes eight seconds; one ends every second, after the oldest open one began.
    for _ in 0..20 {
        let oldest = open.pop_front().unwrap();
        told.end("a", oldest, CallEnd::Answered);
        assert_eq!(told.condition("a"), Condition::Answers);
        open.push_back(told.call("a"));
        told.wait(SECOND);
    }
    assert!(
        told.health
            .news(&id("a"))
            .unwrap()
            .has_silent_call(&told.pace, told.now)
    );
}

#[test]
fn the_pause_begins_at_five_seconds_doubles_and_is_a_limit_at_most() {
    let mut told = Told::new();
    for pause in [5, 10, 20, 40, 60, 60] {
        told.hang("a");
        assert_eq!(told.condition("a"), Condition::Silent);
        told.wait(SECOND * pause - Duration::from_millis(1));
        assert!(
            !told.may_be_called("a", false),
            "after a pause of {pause} s and no earlier"
        );
        told.wait(Duration::from_millis(1));
        assert!(told.may_be_called("a", false));
    }
}

#[test]
fn a_new_order_leaves_a_silent_endpoint_alone_for_ten_pauses() {
    let mut told = Told::new();
    told.hang("a");
    told.wait(SECOND * 50 - Duration::from_millis(1));
    assert!(told.may_be_called("a", false) && !told.may_be_called("a", true));
    told.wait(Duration::from_millis(1));
    assert!(told.may_be_called("a", true));
}

#[test]
fn calls_that_run_into_the_limit_together_make_one_pause() {
    let mut told = Told::new();
    let calls = [told.call("a"), told.call("a"), told.call("a")];
    told.wait(60 * SECOND);
    for call in calls {
        told.end("a", call, CallEnd::AtLimit);
    }
    told.wait(5 * SECOND);
    assert!(told.may_be_called("a", false));
}

#[test]
fn while_a_call_is_open_a_silent_endpoint_is_not_called_again() {
    let mut told = Told::new();
    told.hang("a");
    told.wait(5 * SECOND);
    let call = told.call("a");
    assert!(!told.may_be_called("a", false));
    told.end("a", call, CallEnd::NoNews);
    assert!(told.may_be_called("a", false));
}

#[test]
fn a_call_at_the_limit_is_no_silence_when_another_was_answered_meanwhile() {
    let mut told = Told::new();
    let (hanging, quick) = (told.call("a"), told.call("a"));
    told.wait(SECOND);
    told.end("a", quick, CallEnd::Answered);
    told.wait(59 * SECOND);
    told.end("a", hanging, CallEnd::AtLimit);
    assert_eq!(told.condition("a"), Condition::Answers);
}

#[test]
fn an_answer_ends_the_silence_and_names_who_waited_for_it() {
    let mut told = Told::new();
    told.hang("a");
    told.hang("a");
    assert_eq!(
        told.leave_out("a", "books"),
        120 * SECOND,
        "since the first of the calls began"
    );
    told.leave_out("a", "tools");
    told.leave_out("a", "books");
    told.wait(10 * SECOND);
    let call = told.call("a");
    let waited = told.end("a", call, CallEnd::Answered);
    assert_eq!(waited, [supplier("books"), supplier("tools")]);
    assert_eq!(
        (told.condition("a"), told.health.next_call_due()),
        (Condition::Answers, None)
    );
    // The next silence begins with the first pause.
    told.wait(SECOND);
    told.hang("a");
    told.wait(5 * SECOND);
    assert!(told.may_be_called("a", false));
}

#[test]
fn a_silent_endpoint_that_a_supplier_waits_for_is_called_when_its_moment_has_come() {
    let mut told = Told::new();
    told.hang("a");
    assert!(
        told.due().is_none() && told.health.next_call_due().is_none(),
        "nobody waits for it"
    );
    told.leave_out("a", "books");
    assert_eq!(told.health.next_call_due(), Some(told.now + 5 * SECOND));
    assert!(told.due().is_none());
    told.wait(5 * SECOND);
    assert_eq!(told.due(), Some((id("a"), vec![supplier("books")])));
    // Whatever comes of that, it is not asked again at once.
    assert!(told.due().is_none());
    assert_eq!(told.health.next_call_due(), Some(told.now + 3 * SECOND));

    let call = told.call("a");
    assert_eq!(told.health.next_call_due(), None, "its end is news");
    told.wait(60 * SECOND);
    told.end("a", call, CallEnd::AtLimit);
    assert_eq!(told.health.next_call_due(), Some(told.now + 10 * SECOND));

    told.health.nothing_waits(&id("a"), &supplier("books"));
    assert_eq!(told.health.next_call_due(), None);
}

#[test]
fn who_comes_while_a_call_is_open_waits_for_its_end() {
    let mut told = Told::new();
    let call = told.call("a");
    told.wait(3 * SECOND);
    assert_eq!(told.leave_out("a", "books"), 3 * SECOND);
    assert_eq!(told.health.next_call_due(), None);
    told.wait(57 * SECOND);
    told.end("a", call, CallEnd::AtLimit);
    assert_eq!(told.health.next_call_due(), Some(told.now + 5 * SECOND));
}

#[test]
fn an_endpoint_is_forgotten_six_hours_after_the_last_news_of_it_and_never_while_it_is_called() {
    let mut told = Told::new();
    let call = told.call("answers");
    told.end("answers", call, CallEnd::Answered);
    told.call("open");
    told.wait(6 * 3600 * SECOND + SECOND);
    for n in 0..4 {
        told.call(&format!("other-{n}"));
    }
    assert_eq!(told.condition("answers"), Condition::Unknown);
    assert_eq!(told.condition("open"), Condition::Silent);
    assert_eq!(told.health.endpoints(), 5);
}

#[test]
fn at_most_sixty_five_thousand_are_remembered_and_the_oldest_news_go_first() {
    let mut told = Told::new();
    for n in 0..ENDPOINTS {
        let name = n.to_string();
        let call = told.call(&name);
        told.end(&name, call, CallEnd::Answered);
        told.wait(Duration::from_micros(1));
    }
    told.wait(Duration::from_secs(1));
    // There is news of the first one; the second one is the oldest now.
    let call = told.call("0");
    told.end("0", call, CallEnd::Answered);
    for n in 0..10 {
        told.call(&format!("more-{n}"));
    }
    assert_eq!(told.health.endpoints(), ENDPOINTS);
    assert_eq!(
        (told.condition("0"), told.condition("1")),
        (Condition::Answers, Condition::Unknown)
    );
    assert_eq!(
        told.condition(&(ENDPOINTS - 1).to_string()),
        Condition::Answers
    );
}
