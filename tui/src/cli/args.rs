use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand};
use perfdeck_bridge::protocol::CacheCapacity;

use crate::amount;
use crate::target::Target;

/// Says what is slow in a running service, why, and whether the fix helped.
#[derive(Debug, Parser)]
#[command(name = "perfdeck", version, about, max_term_width = 100)]
#[command(
    after_help = "Without a command it shows the screens of the service that runs here.\n\
    Exit status: 0 it did what was asked, 1 it failed (or doctor found something), 2 it was not understood."
)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

/// What every command takes, before or after its name.
#[derive(Debug, Default, Group)]
pub(super) struct Global {
    /// The service, by the name that it gave its deck
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) service: Option<String>,
    /// The service, by its process
    #[arg(long, global = true, value_name = "PID")]
    pub(super) pid: Option<u32>,
    /// The service, by its socket
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "via")]
    pub(super) socket: Option<PathBuf>,
    /// A command that leads to the service's machine: 'ssh host', 'sudo -u app perfdeck relay'
    #[arg(long, global = true, value_name = "COMMAND")]
    pub(super) via: Option<String>,
    /// A recording, instead of a running service
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["service", "pid", "socket", "via"])]
    pub(super) recording: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Give up the right to change anything
    #[arg(long, global = true)]
    pub(super) read_only: bool,
    /// Draw the screens with seven-bit characters
    #[arg(long, global = true)]
    pub(super) ascii: bool,
}

impl Global {
    pub(super) fn target(&self) -> Target {
        Target {
            service: self.service.clone(),
            pid: self.pid,
            socket: self.socket.clone(),
            via: self.via.clone(),
            read_only: self.read_only,
            recording: self.recording.clone(),
        }
    }
}

/// A command.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the screens (this is what happens without a command)
    Attach,
    /// List the services that run here
    Ls,
    /// Tell the service in a few numbers, what the deck costs it, and what can't be seen
    Status,
    /// Tell what can't be seen, why, and the fix; exits with 1 if there is anything
    Doctor,
    /// List the routes, by what users wait for
    Requests,
    /// List the real requests of a route that are kept whole: failed, given up, slow, and a sample
    Exemplars {
        /// The route, as `requests` tells it: GET /documents
        #[arg(required = true, num_args = 1..=2, value_name = "ROUTE")]
        route: Vec<String>,
    },
    /// Show one kept request and what it did, in order
    Exemplar {
        /// The request, as `exemplars` tells it
        #[arg(
            value_name = "ID",
            required_unless_present = "of",
            conflicts_with = "of"
        )]
        id: Option<u64>,
        /// Instead: the one of a route that took most nearly as long as a percentile
        #[arg(long, num_args = 1..=2, value_name = "ROUTE")]
        of: Vec<String>,
        /// The percentile; 100 is the longest
        #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(0..=100), value_name = "P")]
        percentile: u8,
    },
    /// List the statements, by the time they take
    Queries,
    /// Show what was: all requests, one route, statement, function, pool or number, in steps
    History(HistoryOptions),
    /// List the alerts and the rules with their limits, or clear the alerts
    Alerts {
        /// Forget those that are over, and put away those that fire until they have been over once
        #[arg(long)]
        clear: bool,
        /// Do it; without this it is only said what would be done
        #[arg(long, requires = "clear")]
        apply: bool,
    },
    /// List what would help, and how much
    Recommendations {
        /// Also those that were applied or dismissed
        #[arg(long)]
        all: bool,
    },
    /// Look at the caches, or change one
    #[command(subcommand)]
    Cache(CacheVerb),
    /// Do what a recommendation proposes
    Apply {
        /// The recommendation's id
        #[arg(value_name = "FINDING_ID")]
        finding: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Take an action back
    Undo {
        /// The action's row in the ledger
        #[arg(value_name = "LEDGER_ID")]
        row: u64,
        #[command(flatten)]
        consent: Consent,
    },
    /// List what was done, and what it brought
    Ledger,
    /// List the pools, and the service's own counters, gauges and histograms
    Host,
    /// List the commands to Redis, by the time they take
    Redis,
    /// List the pools, how the databases behind them are, and what of them needs care
    Pools,
    /// List the indexes that are there, those that can't be used first
    Indexes,
    /// Record what the service tells, to a file that `replay` shows
    Record {
        /// The file; one of that name is kept as FILE.previous
        #[arg(short, long, value_name = "FILE", default_value = "perfdeck.recording")]
        output: PathBuf,
        /// The most that the file takes, in MiB; the oldest makes room
        #[arg(long, value_name = "MIB", default_value_t = 64)]
        size: u64,
        /// How long; without it until the service ends or ctrl-c
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Tell what changed between two recordings, beyond chance; exits with 1 if anything got worse
    Diff {
        /// The recording of before: five minutes at least, and more show more
        #[arg(value_name = "BEFORE")]
        before: PathBuf,
        /// The recording of after
        #[arg(value_name = "AFTER")]
        after: PathBuf,
    },
    /// Show the screens of a recording; with --recording FILE every other command reads one, too
    Replay {
        /// The recording
        file: PathBuf,
    },
    /// Join standard input and output to the service's socket, for --via
    Relay,
    /// Print a shell's completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What part of the past, and how.
#[derive(Debug, Clone, Group)]
pub(super) struct HistoryOptions {
    #[command(flatten)]
    pub(super) subject: HistorySubject,
    /// How far back: 90s, 15m, 6h, 7d
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = humantime::parse_duration)]
    pub(super) last: Duration,
    /// The width of a step; without it some thirty are shown
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) width: Option<Duration>,
    /// A percentile to tell, from 0 to 100; may be given up to 8 times
    #[arg(long, value_name = "P", value_parser = percentile)]
    pub(super) percentile: Vec<f64>,
    /// List the numbers that have a history
    #[arg(long, exclusive = true)]
    pub(super) list: bool,
}

/// Of what; without any, of all requests.
#[derive(Debug, Clone, Group)]
#[group(multiple = false)]
pub(super) struct HistorySubject {
    /// A number, as `history --list` tells it
    #[arg(value_name = "NUMBER")]
    pub(super) number: Option<String>,
    /// A route, as `requests` tells it: GET /documents
    #[arg(long, num_args = 1..=2, value_name = "ROUTE")]
    pub(super) route: Vec<String>,
    /// All statements
    #[arg(long)]
    pub(super) queries: bool,
    /// A statement, by its id
    #[arg(long, value_name = "ID")]
    pub(super) query: Option<String>,
    /// A monitored function
    #[arg(long, value_name = "NAME")]
    pub(super) function: Option<String>,
    /// The waits for a connection of a pool
    #[arg(long, value_name = "NAME")]
    pub(super) pool: Option<String>,
}

fn percentile(text: &str) -> Result<f64, String> {
    let percentile: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.0..=100.0).contains(&percentile) {
        Ok(percentile)
    } else {
        Err("a percentile is from 0 to 100".to_owned())
    }
}

/// A command about caches.
#[derive(Debug, Subcommand)]
pub(super) enum CacheVerb {
    /// List the namespaces and what they save
    Stats,
    /// Clear a namespace
    Clear {
        /// The namespace
        #[arg(value_name = "NAMESPACE")]
        namespace: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Load what a namespace lacks, of the keys that are used most
    Warm {
        /// The namespace
        #[arg(value_name = "NAMESPACE")]
        namespace: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Drop entries that are over, and move capacity to the namespaces where it saves most, until the service starts anew
    Optimize {
        #[command(flatten)]
        consent: Consent,
    },
    /// Let a namespace hold more or less, until the service starts anew
    Resize {
        /// The namespace
        #[arg(value_name = "NAMESPACE")]
        namespace: String,
        #[command(flatten)]
        capacity: CapacityOption,
        #[command(flatten)]
        consent: Consent,
    },
    /// Let a namespace's entries be fresh for another time, until the service starts anew
    Ttl {
        /// The namespace
        #[arg(value_name = "NAMESPACE")]
        namespace: String,
        /// The time, in whole seconds: 90s, 5m, 1h
        #[arg(value_name = "TIME", value_parser = amount::ttl)]
        ttl_seconds: u32,
        #[command(flatten)]
        consent: Consent,
    },
}

/// How much a namespace is to hold, in what it counts.
#[derive(Debug, Clone, Copy, Group)]
#[group(required = true, multiple = false)]
pub(super) struct CapacityOption {
    /// So many entries
    #[arg(long, value_name = "ENTRIES")]
    capacity: Option<u64>,
    /// Entries of so many bytes in all: 500000, 64MiB, 1GiB
    #[arg(long, value_name = "SIZE", value_parser = amount::bytes)]
    bytes: Option<u64>,
}

impl CapacityOption {
    pub(super) fn wanted(self) -> CacheCapacity {
        match (self.capacity, self.bytes) {
            (_, Some(bytes)) => CacheCapacity::Bytes(bytes),
            (entries, None) => CacheCapacity::Entries(entries.unwrap_or_default()),
        }
    }
}

/// Whether to do it.
#[derive(Debug, Clone, Copy, Group)]
pub(super) struct Consent {
    /// Do it; without this it is only said what would be done
    #[arg(long)]
    pub(super) apply: bool,
}
