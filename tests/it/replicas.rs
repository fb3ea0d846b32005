//! Several real daemons that share a table: killed, cut off from it, stopped and woken, with clocks that differ, while
//! applications log in.

mod blows;
mod killed;
