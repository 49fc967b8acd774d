//! One pass per key at a time, merged reasons, timers, and passes that panic.

use super::*;

#[derive(Default, Debug, PartialEq)]
struct Reasons(Vec<&'static str>);

impl Merge for Reasons {
    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

struct Rig {
    queue: Arc<Queue<String, Reasons>>,
    seen: Arc<Mutex<Vec<(String, Reasons)>>>,
    stop: CancellationToken,
}

impl Rig {
    fn new() -> Self {
        Self {
            queue: Arc::new(Queue::new()),
            seen: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    fn add(&self, key: &str, reason: &'static str) {
        self.queue.add(key.to_owned(), Reasons(vec![reason]));
    }

    fn start<Fut: Future<Output = Next> + Send + 'static>(
        &self,
        pass: impl Fn(usize) -> Fut + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let seen = Arc::clone(&self.seen);
        let count = std::sync::atomic::AtomicUsize::new(0);
        tokio::spawn(
            Arc::clone(&self.queue).run(2, self.stop.clone(), move |key, reasons| {
                seen.lock().push((key, reasons));
                pass(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
            }),
        )
    }

    fn seen(&self) -> Vec<(String, Vec<&'static str>)> {
        self.seen
            .lock()
            .iter()
            .map(|(key, reasons)| (key.clone(), reasons.0.clone()))
            .collect()
    }
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reasons_merge_while_waiting_and_while_running() {
    let rig = Rig::new();
    rig.add("a", "one");
    rig.add("a", "two");
    let gate = Arc::new(Notify::new());
    let wait = Arc::clone(&gate);
    let _running = rig.start(move |_| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            Next::OnEvent
        }
    });
    settle().await;
    rig.add("a", "three");
    rig.add("a", "four");
    settle().await;
    assert_eq!(rig.seen(), [("a".to_owned(), vec!["one", "two"])]);
    gate.notify_one();
    settle().await;
    assert_eq!(
        rig.seen().last(),
        Some(&("a".to_owned(), vec!["three", "four"]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_timer_starts_the_next_pass_and_an_event_replaces_it() {
    let rig = Rig::new();
    rig.add("a", "event");
    let _running = rig.start(|n| async move {
        if n == 0 {
            Next::After(Duration::from_secs(60))
        } else {
            Next::OnEvent
        }
    });
    settle().await;
    tokio::time::advance(Duration::from_secs(59)).await;
    settle().await;
    assert_eq!(rig.seen().len(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    settle().await;
    assert_eq!(rig.seen().len(), 2);
    rig.add("a", "event");
    settle().await;
    tokio::time::advance(Duration::from_secs(600)).await;
    settle().await;
    assert_eq!(rig.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_one_keys_problem() {
    let rig = Rig::new();
    rig.add("bad", "event");
    rig.add("good", "event");
    let _running = rig.start(|n| async move {
        assert!(n != 0, "first pass fails on purpose");
        Next::OnEvent
    });
    settle().await;
    assert_eq!(rig.seen().len(), 2);
    tokio::time::advance(Duration::from_secs(3)).await;
    settle().await;
    let last = rig.seen().pop().map(|(key, _)| key);
    assert_eq!(
        last.as_deref(),
        Some("bad"),
        "tried again after its backoff"
    );
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_running_pass() {
    let rig = Rig::new();
    rig.add("a", "event");
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let finished = Arc::clone(&done);
    let running = rig.start(move |_| {
        let finished = Arc::clone(&finished);
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            finished.store(true, std::sync::atomic::Ordering::SeqCst);
            Next::OnEvent
        }
    });
    settle().await;
    rig.stop.cancel();
    running.await.unwrap();
    assert!(done.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_may_wait_is_not_lost() {
    let rig = Rig::new();
    let task = rig.start(|count| async move {
        if count == 0 {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Next::OnEvent
    });
    rig.add("a", "first");
    settle().await;
    rig.queue.add_later(
        "a".to_owned(),
        Reasons(vec!["later"]),
        Duration::from_secs(10),
    );
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(rig.seen().len(), 1, "not before its time");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.seen().last().unwrap().1, ["later"]);
    rig.queue.add_later(
        "a".to_owned(),
        Reasons(vec!["again"]),
        Duration::from_secs(10),
    );
    rig.add("a", "now");
    settle().await;
    assert_eq!(rig.seen().last().unwrap().1, ["again", "now"]);
    rig.stop.cancel();
    task.await.unwrap();
}
