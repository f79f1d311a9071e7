//! What it costs to read queries and to find out what they mean: the time for each, and of its three parts.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this measures, and the figures are what this program is for"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use jansky_adql::catalogue::{Column, Listing, Table};
use jansky_adql::{Error, Type, parse, resolve};

/// Few enough to be over before somebody else gets the CPU.
const AT_ONCE: u32 = 50;
const ROUNDS: u32 = 2_000;

/// `ObsCore` as an archive has it: some 40 columns.
const COLUMNS: [(&str, Type); 38] = [
    ("dataproduct_type", Type::Text),
    ("calib_level", Type::Integer),
    ("obs_collection", Type::Text),
    ("obs_id", Type::Text),
    ("obs_publisher_did", Type::Text),
    ("access_url", Type::Text),
    ("access_format", Type::Text),
    ("access_estsize", Type::Long),
    ("target_name", Type::Text),
    ("s_ra", Type::Double),
    ("s_dec", Type::Double),
    ("s_fov", Type::Double),
    ("s_region", Type::Region),
    ("s_xel1", Type::Long),
    ("s_xel2", Type::Long),
    ("s_resolution", Type::Double),
    ("t_min", Type::Double),
    ("t_max", Type::Double),
    ("t_exptime", Type::Double),
    ("t_resolution", Type::Double),
    ("t_xel", Type::Long),
    ("em_min", Type::Double),
    ("em_max", Type::Double),
    ("em_res_power", Type::Double),
    ("em_xel", Type::Long),
    ("o_ucd", Type::Text),
    ("pol_states", Type::Text),
    ("pol_xel", Type::Long),
    ("facility_name", Type::Text),
    ("instrument_name", Type::Text),
    ("obs_release_date", Type::Timestamp),
    ("data_rights", Type::Text),
    ("proposal_id", Type::Text),
    ("obs_creator_did", Type::Text),
    ("obs_creator_name", Type::Text),
    ("obs_title", Type::Text),
    ("bib_reference", Type::Text),
    ("target_class", Type::Text),
];

const QUERIES: [(&str, &str); 4] = [
    (
        "cone",
        "SELECT TOP 1000 obs_id, access_url, s_ra, s_dec FROM ivoa.obscore \
         WHERE 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 187.705, 12.391, 0.5)) \
         AND dataproduct_type = 'visibility'",
    ),
    (
        "cone with *",
        "SELECT * FROM ivoa.obscore WHERE DISTANCE(POINT(s_ra, s_dec), POINT(187.705, 12.391)) < 0.5",
    ),
    (
        "groups",
        "SELECT target_name, COUNT(*) AS n, MIN(t_min) FROM ivoa.obscore \
         WHERE calib_level IN (1, 2) GROUP BY target_name HAVING COUNT(*) > 3 ORDER BY n DESC",
    ),
    (
        "join",
        "SELECT a.obs_id, b.obs_id FROM ivoa.obscore AS a JOIN ivoa.obscore AS b \
         ON DISTANCE(a.s_ra, a.s_dec, b.s_ra, b.s_dec) < 0.001 AND a.obs_id < b.obs_id",
    ),
];

fn main() -> Result<(), Error> {
    let mut listing = Listing::new();
    let columns = COLUMNS.map(|(name, ty)| Column::new(name, ty));
    listing.add_table(Table::new("ivoa", "obscore", columns));

    for (name, query) in QUERIES {
        let tree = parse(query)?;
        resolve(&tree, &listing)?;
        let reading = each(|| drop(black_box(parse(black_box(query)))));
        let meaning = each(|| drop(black_box(resolve(black_box(&tree), &listing))));
        let both = each(|| {
            let tree = parse(black_box(query));
            drop(black_box(tree.and_then(|tree| resolve(&tree, &listing))));
        });
        println!("{name}: {both:?} (parse {reading:?}, resolve and plan {meaning:?})");
    }
    Ok(())
}

/// The time of one in the middle one of all rounds.
fn each(work: impl Fn()) -> Duration {
    let rounds = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        (0..AT_ONCE).for_each(|_| work());
        begin.elapsed() / AT_ONCE
    });
    let mut rounds: Vec<Duration> = rounds.collect();
    rounds.sort();
    rounds[rounds.len() / 2]
}
