//! What leases promise, in simulated time.

#[path = "faults_tests.rs"]
mod faults;
#[path = "gates_tests.rs"]
mod gates;
#[path = "lapses_tests.rs"]
mod lapses;
#[path = "news_tests.rs"]
mod news;
#[path = "sharing_tests.rs"]
mod sharing;
