//! Names that were stored when more characters were allowed.

use std::time::Duration;

use orderhook::store::{ClaimRequest, Filter, Page, Pick, Store};

use crate::support::*;

#[tokio::test]
async fn a_stored_name_that_would_be_refused_now_is_listed_claimed_and_shown_escaped() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "A-1")]).await;
    file.run(
        "UPDATE orderhook_notifications SET order_code = 'A' || char(0x202e) || '1', supplier = 'n' || char(0x200b), \
         occurrence = char(0x2066)",
    )
    .await;

    let listing = store
        .list(&Filter::of(source()), &Page::first(10))
        .await
        .unwrap();
    assert_eq!((listing.notifications.len(), listing.refused.len()), (1, 0));
    let stored = &listing.notifications[0].key;
    assert_eq!(stored.order.as_str(), "A\u{202e}1");
    assert_eq!(
        (stored.order.to_string(), stored.supplier.to_string()),
        ("A\\u{202e}1".into(), "n\\u{200b}".into())
    );
    let shown = stored.to_string();
    assert!(
        shown
            .chars()
            .all(|c| !matches!(c, '\u{202e}' | '\u{200b}' | '\u{2066}')),
        "{shown:?}"
    );
    assert!(store.get(stored).await.unwrap().is_some());
    let claims = store
        .claim(&ClaimRequest::new(
            source(),
            Pick::New,
            10,
            Duration::from_secs(60),
        ))
        .await
        .unwrap();
    assert_eq!((claims.claims.len(), claims.refused.len()), (1, 0));
    assert_eq!(&claims.claims[0].key, stored);
}
