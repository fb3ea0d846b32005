//! Several real daemons that share a table: killed, cut off from it, stopped and woken, with clocks that differ, while
//! applications log in.

mod blows;
mod clocks;
mod coming_and_going;
mod killed;
mod moto;
mod moved;
mod scraped;
mod told;

use crate::support::dynamo::StandIn;
use crate::support::replicas::{Fleet, settings};

/// Their names.
const THREE: [&str; 3] = ["one", "two", "three"];

/// Three replicas on dynalite, none of which runs yet.
async fn three(users: usize) -> Fleet {
    Fleet::new(StandIn::dynalite().await, settings(), users, &THREE).await
}
