//! Pairs of a bare service and one in an outfit.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use perfdeck_peers::callgrind::Instructions;
use perfdeck_tests::load::Client;

use crate::callgrind;
use crate::host::Question;
use crate::outfit::{OUTFITS, Outfit};
use crate::route::Route;
use crate::server::Server;
use crate::spread::Spread;

/// Connections of the load.
pub(crate) const CONNECTIONS: u64 = 8;

/// The part of a measure's requests that comes before it, so that all is in place and warm.
const WARM: u64 = 8;

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    /// By how much there are fewer requests.
    pub(crate) shorter: u64,
    pub(crate) instructions: bool,
    /// The one that the services keep to.
    pub(crate) processor: Option<usize>,
}

/// What was measured of an outfit on a route.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) outfit: &'static Outfit,
    pub(crate) own: Summary,
    /// Over the bare service of the same pair; nothing for that itself.
    pub(crate) ratio: Option<Summary>,
    pub(crate) instructions: Option<Instructions>,
    /// The worst that was seen.
    pub(crate) lost: Option<f64>,
}

/// The numbers of the rounds, or their ratios.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summary {
    /// Requests a second.
    pub(crate) rate: Spread,
    pub(crate) p99_millis: Spread,
    pub(crate) processor_micros: Spread,
}

/// Measures outfits on a route, and the bare service, which is the first row.
pub(crate) fn measure(
    route: &'static Route,
    outfits: &[&'static Outfit],
    plan: &Plan,
) -> Result<Vec<Row>> {
    let bare = OUTFITS.first().context("there is no bare service")?;
    let mut pairs: Vec<Vec<Pair>> = outfits.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.rounds {
        eprintln!("{}: round {} of {}", route.name, round + 1, plan.rounds);
        let start = round as usize % outfits.len();
        let turn = (start..outfits.len()).chain(0..start);
        for (number, index) in turn.enumerate() {
            let (Some(outfit), Some(pairs)) = (outfits.get(index), pairs.get_mut(index)) else {
                continue;
            };
            let is_bare_first = (round as usize + number).is_multiple_of(2);
            let measure = |outfit| {
                let slice = slice(outfit, route, plan);
                slice.with_context(|| format!("{} on {}", outfit.name, route.name))
            };
            let (bare, own) = if is_bare_first {
                let bare = measure(bare)?;
                (bare, measure(outfit)?)
            } else {
                let own = measure(outfit)?;
                (measure(bare)?, own)
            };
            pairs.push(Pair { bare, own });
        }
    }
    let count = |outfit| {
        let count = || callgrind::count(outfit, route, plan.processor);
        plan.instructions.then(count).transpose()
    };
    let all: Vec<&Pair> = pairs.iter().flatten().collect();
    let mut rows = vec![Row {
        outfit: bare,
        own: Summary::of(&all, |pair, value| value(&pair.bare)),
        ratio: None,
        instructions: count(bare)?,
        lost: None,
    }];
    for (outfit, pairs) in outfits.iter().zip(&pairs) {
        let pairs: Vec<&Pair> = pairs.iter().collect();
        let lost = pairs.iter().filter_map(|pair| pair.own.lost);
        rows.push(Row {
            outfit,
            own: Summary::of(&pairs, |pair, value| value(&pair.own)),
            ratio: Some(Summary::of(&pairs, |pair, value| {
                value(&pair.own) / value(&pair.bare)
            })),
            instructions: count(outfit)?,
            lost: lost.reduce(f64::max),
        });
    }
    Ok(rows)
}

#[derive(Debug)]
struct Pair {
    bare: Slice,
    own: Slice,
}

/// What one process showed.
#[derive(Debug, Clone, Copy)]
struct Slice {
    rate: f64,
    p99_millis: f64,
    processor_micros: f64,
    lost: Option<f64>,
}

/// One of the numbers of a slice.
type Value = fn(&Slice) -> f64;

impl Summary {
    fn of(pairs: &[&Pair], number: impl Fn(&Pair, Value) -> f64) -> Self {
        let spread = |value: Value| Spread::of(pairs.iter().map(|pair| number(pair, value)));
        Self {
            rate: spread(|slice| slice.rate),
            p99_millis: spread(|slice| slice.p99_millis),
            processor_micros: spread(|slice| slice.processor_micros),
        }
    }
}

fn slice(outfit: &Outfit, route: &Route, plan: &Plan) -> Result<Slice> {
    let command = Command::new(std::env::current_exe()?);
    let mut server = Server::start(command, outfit, route, plan.processor)?;
    let mut client = Client::connect(server.address(), CONNECTIONS as usize)?;
    let each = route.requests / CONNECTIONS / plan.shorter;
    let warm = client.load(|number, caller| route.ask(caller, number, each / WARM))?;
    let before = server.ask(Question::Clock)?;
    let slice = client.load(|number, caller| route.ask(caller, number, each))?;
    let after = server.ask(Question::Settle)?;
    server.end()?;
    let took = after.processor_seconds - before.processor_seconds;
    ensure!(took > 0.0, "the service took no processor time");
    let sent = (warm.requests + slice.requests) as f64;
    Ok(Slice {
        rate: slice.rate(),
        p99_millis: slice.p99_millis(),
        processor_micros: took * 1e6 / slice.requests as f64,
        lost: after.known.map(|known| 1.0 - known as f64 / sent),
    })
}
