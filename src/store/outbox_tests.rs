//! What an outbox of this process does; what all do is in tests/it/store_conformance.rs.

use super::*;
use crate::rotation::state::Record;
use crate::store::Store;
use crate::store::memory::MemoryStore;

#[tokio::test]
async fn nothing_is_to_be_told_of_a_save_that_failed() {
    let store = MemoryStore::new();
    let record = Record::new("arn:of:a:secret".to_owned(), Timestamp::UNIX_EPOCH);
    let outgoing = Outgoing {
        target: "a".to_owned(),
        id: "msg_1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        message: "{}".to_owned(),
    };
    store.fail(Some("disk full"));
    assert!(store.save_and_tell(&record, &[], &[outgoing]).await.is_err());
    store.fail(None);
    assert_eq!(store.backlogs().await.unwrap().len(), 0);
}
