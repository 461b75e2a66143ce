use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

fn id(name: &str) -> SupplierId {
    SupplierId::new(name).unwrap()
}

fn supplier(name: &str) -> Supplier {
    Supplier::builder(id(name)).build().unwrap()
}

fn names(found: &[Result<Option<Supplier>, LookupError>]) -> Vec<String> {
    let name = |found: &Result<Option<Supplier>, LookupError>| match found {
        Ok(Some(supplier)) => supplier.id().to_string(),
        Ok(None) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    found.iter().map(name).collect()
}

/// Knows every supplier but `stranger`, and fails for `broken`; counts what it is asked.
#[derive(Default)]
struct Table {
    single: AtomicUsize,
    all: AtomicUsize,
    outdated: Mutex<Vec<SupplierId>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Suppliers for Table {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        self.single.fetch_add(1, Ordering::Relaxed);
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        match id.as_str() {
            "stranger" => Ok(None),
            "broken" => Err(LookupError::unavailable("the table is locked")),
            name => Ok(Some(supplier(name))),
        }
    }

    fn outdated(&self, id: &SupplierId) {
        self.outdated.lock().unwrap().push(id.clone());
    }
}

/// Answers for all at once.
#[derive(Default)]
struct AllAtOnce(Table);

impl Suppliers for AllAtOnce {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        self.0.find(id).await
    }

    async fn find_all(&self, ids: &[SupplierId]) -> Vec<Result<Option<Supplier>, LookupError>> {
        self.0.all.fetch_add(1, Ordering::Relaxed);
        ids.iter()
            .map(|id| Ok(Some(supplier(id.as_str()))))
            .collect()
    }

    fn outdated(&self, id: &SupplierId) {
        self.0.outdated(id);
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_of_find_all_asks_eight_side_by_side_and_answers_in_order() {
    let table = Table::default();
    let mut ids: Vec<_> = (0..20).map(|n| id(&n.to_string())).collect();
    ids[3] = id("stranger");
    ids[17] = id("broken");
    let begun = tokio::time::Instant::now();
    let mut expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    expected[3] = "none".to_owned();
    expected[17] = "the supplier lookup is not available: the table is locked".to_owned();
    assert_eq!(names(&table.find_all(&ids).await), expected);
    assert_eq!(table.most_under_way.load(Ordering::Relaxed), 8);
    assert_eq!(begun.elapsed(), Duration::from_millis(60));
    assert!(table.find_all(&[]).await.is_empty());
}

#[tokio::test]
async fn every_wrapper_passes_on_find_all_and_what_is_outdated() {
    let table = Arc::new(AllAtOnce::default());
    let ids = [id("a"), id("b")];
    let cached = Cached::new(Arc::clone(&table), Duration::ZERO);
    let erased = AnySuppliers::new(Cached::new(Arc::clone(&table), Duration::ZERO));
    assert_eq!(names(&Arc::clone(&table).find_all(&ids).await), ["a", "b"]);
    assert_eq!(names(&cached.find_all(&ids).await), ["a", "b"]);
    assert_eq!(names(&erased.find_all(&ids).await), ["a", "b"]);
    assert_eq!(table.0.all.load(Ordering::Relaxed), 3);
    assert_eq!(table.0.single.load(Ordering::Relaxed), 0);
    Suppliers::outdated(&Arc::clone(&table), &ids[0]);
    cached.outdated(&ids[0]);
    erased.outdated(&ids[0]);
    assert_eq!(
        *table.0.outdated.lock().unwrap(),
        [id("a"), id("a"), id("a")]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_cached_is_asked_for_once_in_its_time_and_anew_when_it_is_outdated() {
    let table = Arc::new(Table::default());
    let cached = Cached::new(Arc::clone(&table), Duration::from_secs(3_600));
    let asked = || table.single.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert!(cached.find(&id("a")).await.unwrap().is_some());
    }
    assert_eq!(asked(), 1);
    assert_eq!(
        names(&cached.find_all(&[id("a"), id("b"), id("stranger")]).await),
        ["a", "b", "none"]
    );
    assert_eq!(asked(), 3, "a is remembered");
    assert_eq!(
        names(&cached.find_all(&[id("stranger"), id("b"), id("a")]).await),
        ["none", "b", "a"]
    );
    assert_eq!(asked(), 4, "only what was found is remembered");
    cached.outdated(&id("a"));
    cached.find(&id("a")).await.unwrap();
    cached.find(&id("b")).await.unwrap();
    assert_eq!(asked(), 5);
    let short = Cached::new(Arc::clone(&table), Duration::ZERO);
    short.find(&id("a")).await.unwrap();
    short.find(&id("a")).await.unwrap();
    assert_eq!(asked(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_asked_for_before_something_was_forgotten_is_not_remembered() {
    let table = Arc::new(Table::default());
    let cached = Arc::new(Cached::new(Arc::clone(&table), Duration::from_secs(3_600)));
    let asking = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { cached.find(&id("a")).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    cached.forget(&id("a"));
    asking.await.unwrap().unwrap();
    cached.find(&id("a")).await.unwrap();
    assert_eq!(table.single.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_lookup_that_answers_with_another_supplier_is_refused() {
    let (north, south) = (
        SupplierId::new("north").unwrap(),
        SupplierId::new("south").unwrap(),
    );
    let other = Supplier::builder(south)
        .endpoint("https://south.example/")
        .build()
        .unwrap();
    let suppliers = AnySuppliers::new(HashMap::from([(north.clone(), other)]));
    let error = suppliers.find(&north).await.unwrap_err().to_string();
    assert!(
        error.starts_with("supplier north: id: is that of another supplier"),
        "{error}"
    );
}
