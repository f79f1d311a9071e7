//! The program as people run it, and the rules that hold for the workspace as a whole.

mod architecture;
#[expect(dead_code, reason = "the checks use more of it")]
mod browser;
mod certificates;
mod config_command;
mod containers;
mod crash;
mod demo;
mod fail2ban;
mod failing_servers;
mod full_disk;
mod half_sent;
mod harbour;
mod house;
mod lifecycle;
mod processes;
mod refusals;
mod release;
mod restart;
mod secrets;
mod streaming;
mod tls;
mod trust;
mod unix_accounts;
mod words;
