//! rekeyd rotates the passwords of Amazon ElastiCache users whose credentials live in AWS Secrets
//! Manager.
//!
//! A secret is woken; [`engine`] looks at AWS and the nodes, asks [`rotation`] what to do, does that one thing, stores what
//! came of it in [`store`], and looks again. The rules of a rotation are in [`rotation`], which does no I/O.
//! `docs/ARCHITECTURE.md` tells the whole, `docs/SEMANTICS.md` what is promised.
//!
//! | module | what it is |
//! |---|---|
//! | [`policy`], [`secret`], [`clock`] | plain values; the password type; the one place that reads a clock |
//! | [`certificates`] | pure: what is wrong with a file of trusted roots |
//! | [`rotation`] | pure: observations and records in, decisions out |
//! | [`schedule`] | pure: the dates of schedules, windows and blackouts |
//! | [`audit`] | a line for every change that is made or asked for |
//! | [`aws`] | the ports to Secrets Manager and ElastiCache, their adapters, budgets of calls and shared reads |
//! | [`login`] | the proof of a password: AUTH over TLS on a node |
//! | [`store`] | records and history, in SQLite |
//! | [`metrics`] | the Prometheus families |
//! | [`config`] | files and variables to checked values |
//! | [`words`], [`history`] | how rekeyd says things, on the command line and the status page; what its history tells |
//! | [`inventory`] | which secrets a policy has, and which nodes a user has |
//! | [`iam`] | the least IAM policies that a configuration needs |
//! | [`notify`] | what happened, told to webhooks, Slack and EventBridge through an outbox in the store |
//! | [`engine`] | effects: the due-queue, looks and steps, discovery, reloads, commands |
//! | [`preflight`] | what the engine would do and be refused for, by looking only |
//! | [`onboard`], [`takeover`] | what an operator has made or taken over: users, secrets, their first rotation |
//! | [`tick`], [`telemetry`], [`process`], [`server`] | the scheduler's tick; the log; core files; TCP and the admin socket |
//! | [`daemon`], [`cli`] | everything put together, and its reload; the command line |
//! | [`planted`] | mistakes that tests plant; switched on in no build that ships |

pub mod audit;
pub mod aws;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod history;
pub mod iam;
pub mod inventory;
pub mod login;
pub mod metrics;
pub mod notify;
pub mod onboard;
pub mod planted;
pub mod policy;
pub mod preflight;
pub mod process;
pub mod rotation;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod service_manager;
pub mod store;
pub mod takeover;
pub mod telemetry;
pub mod tick;
pub mod words;
