//! Orders of thousands of child orders: what a stage costs does not grow with those before it. Rows are counted, not time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use orderhook::fulfilment::{Fulfilment, Transition};
use orderhook::store::{Filter, Inserted, Listing, Page, Store, StoreError};
use orderhook::{Dispatcher, MemoryStore};

use crate::world::{World, child, client, clinic, delivery, source};

/// A store that counts the rows that it lists.
#[derive(Clone)]
struct Counting {
    inner: MemoryStore,
    rows: Arc<AtomicUsize>,
}

impl Store for Counting {
    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        let listing = self.inner.list(filter, page).await?;
        self.rows
            .fetch_add(listing.notifications.len(), Ordering::SeqCst);
        Ok(listing)
    }

    crate::support::forward!(inner: insert claim write intervene get settled count prune);
}

/// So many nodes on one store, and the number of rows that they have listed.
fn nodes(world: &World<MemoryStore>, number: usize) -> (Vec<Fulfilment>, Arc<AtomicUsize>) {
    world.put(clinic().endpoint("https://clinic.example/"));
    let store = Counting {
        inner: world.store.clone(),
        rows: Arc::default(),
    };
    let node = |_| {
        let builder = Dispatcher::builder(source(), store.clone(), Arc::clone(&world.table));
        Fulfilment::new(&builder.build().unwrap())
    };
    ((0..number).map(node).collect(), Arc::clone(&store.rows))
}

async fn append(node: &Fulfilment, transition: Transition) -> Inserted {
    node.enqueue(&client(), &delivery("P-1", transition))
        .await
        .unwrap()
        .stored[0]
        .inserted
}

#[tokio::test]
async fn two_thousand_children_of_one_order_are_enqueued_without_reading_the_order_again_and_again()
{
    const CHILDREN: usize = 2_000;
    let world = World::in_memory();
    let (nodes, rows) = nodes(&world, 1);
    for n in 0..CHILDREN {
        assert!(matches!(
            append(&nodes[0], Transition::accepted(child(&n.to_string()))).await,
            Inserted::New { .. }
        ));
        assert!(
            rows.load(Ordering::SeqCst) <= CHILDREN,
            "{} rows after {n}",
            rows.load(Ordering::SeqCst)
        );
    }
    assert_eq!(
        append(&nodes[0], Transition::accepted(child("7"))).await,
        Inserted::Existing
    );
    let life = nodes[0]
        .lifecycle(&client(), &"P-1".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(life.events().len(), CHILDREN);
}

#[tokio::test]
async fn two_nodes_that_take_turns_read_a_page_at_most_for_each_stage() {
    const CHILDREN: usize = 1_500;
    /// One page, and what the other node has added.
    const MOST: usize = 502;
    let world = World::in_memory();
    let (nodes, rows) = nodes(&world, 2);
    for n in 0..CHILDREN {
        let before = rows.load(Ordering::SeqCst);
        append(&nodes[n % 2], Transition::accepted(child(&n.to_string()))).await;
        let read = rows.load(Ordering::SeqCst) - before;
        assert!(read <= MOST, "{read} rows for stage {n}");
    }
    let life = nodes[0]
        .lifecycle(&client(), &"P-1".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(life.events().len(), CHILDREN);
}

#[tokio::test]
async fn a_stage_that_follows_what_another_node_has_stored_is_taken_and_one_that_does_not_is_refused()
 {
    let world = World::in_memory();
    let (nodes, _) = nodes(&world, 2);
    append(&nodes[0], Transition::accepted(child("A"))).await;
    append(&nodes[1], Transition::shipped(child("A"))).await;
    append(&nodes[0], Transition::picked_up(child("A"))).await;
    append(&nodes[1], Transition::delivered(child("A"))).await;
    let again = delivery("P-1", Transition::shipped(child("B")));
    assert!(nodes[0].enqueue(&client(), &again).await.is_err());
}
