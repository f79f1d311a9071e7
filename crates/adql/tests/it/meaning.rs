//! What queries mean: their plans, or why they have none.

use jansky_adql::catalogue::{Column, Listing, Signature, Table};
use jansky_adql::{Type, parse, resolve};

use crate::data;

/// A small archive.
pub(crate) fn archive() -> Listing {
    let text = |name| Column::new(name, Type::Text);
    let degrees = |name| Column::new(name, Type::Double).in_unit("deg");
    let mut listing = Listing::new();
    listing.add_table(Table::new(
        "ivoa",
        "obscore",
        [
            text("obs_id"),
            text("target_name"),
            degrees("s_ra"),
            degrees("s_dec"),
            Column::new("s_region", Type::Region),
            Column::new("t_min", Type::Double).in_unit("d"),
            Column::new("calib_level", Type::Integer),
            Column::new("access_estsize", Type::Long).in_unit("kbyte"),
            Column::new("obs_release_date", Type::Timestamp),
        ],
    ));
    listing.add_table(Table::new(
        "ivoa",
        "obscore_radio",
        [
            text("obs_id"),
            Column::new("f_resolution", Type::Double).in_unit("kHz"),
            Column::new("instr_tel_number", Type::Short),
        ],
    ));
    listing.add_table(Table::new(
        "cat",
        "sources",
        [
            Column::new("id", Type::Long),
            Column::new("p", Type::Point),
            Column::new("c", Type::Circle),
            degrees("ra"),
            degrees("dec"),
            Column::new("flux", Type::Float).in_unit("mJy"),
            text("Name"),
            Column::new("is_good", Type::Boolean),
            text("size"),
            Column::new("spectrum", Type::Array),
        ],
    ));
    listing.add_table(Table::new(
        "tap_upload",
        "mine",
        [Column::new("id", Type::Integer), text("Odd Name")],
    ));
    listing.add_table(Table::new(
        "other",
        "mine",
        [Column::new("id", Type::Integer)],
    ));
    let long = [
        ("ra", Type::Double),
        ("dec", Type::Double),
        ("order", Type::Integer),
    ];
    listing.add_function(Signature::new("ivo_healpix_index", &long, Type::Long));
    let short = [("p", Type::Point), ("order", Type::Integer)];
    listing.add_function(Signature::new("ivo_healpix_index", &short, Type::Long));
    let hasword = [("haystack", Type::Text), ("needle", Type::Text)];
    listing.add_function(Signature::new("ivo_hasword", &hasword, Type::Integer));
    let aggregate = Signature::new(
        "ivo_string_agg",
        &[("expression", Type::Text), ("delimiter", Type::Text)],
        Type::Text,
    );
    listing.add_function(Signature {
        is_aggregate: true,
        ..aggregate
    });
    listing
}

fn meaning(query: &str) -> Result<String, String> {
    let shown = |error: jansky_adql::Error| format!("{error}\n{}", error.excerpt(query));
    let archive = archive();
    let tree = parse(query).map_err(shown)?;
    let plan = resolve(&tree, &archive).map_err(shown)?;
    // The normal form means the same.
    let again = parse(&tree.to_string()).map_err(|error| error.to_string())?;
    let again = resolve(&again, &archive).map_err(|error| error.to_string())?;
    assert_eq!(plan.root, again.root, "{query}\n{tree}");
    assert_eq!(plan.check(), Ok(()), "{query}\n{plan}");
    Ok(plan.to_string())
}

#[test]
fn queries_become_typed_plans() {
    data::check("plans.slt", |record| {
        assert_eq!(record.kind, "plan");
        meaning(&record.query).unwrap_or_else(|error| error)
    });
    for record in data::queries("plans.slt") {
        assert!(meaning(&record.query).is_ok(), "{}", record.query);
    }
}

#[test]
fn each_form_of_a_cone_becomes_the_same_predicate() {
    data::check("cones.slt", |record| {
        assert_eq!(record.kind, "where");
        let query = format!("SELECT id FROM cat.sources WHERE {}", record.query);
        let plan = meaning(&query).unwrap_or_else(|error| error);
        let filter = plan
            .lines()
            .find_map(|line| line.trim().strip_prefix("filter "));
        filter.unwrap_or(&plan).to_owned()
    });
}

#[test]
fn what_means_nothing_is_refused_with_the_nearest_name() {
    data::check("meaningless.slt", |record| {
        assert_eq!(record.kind, "refuse");
        meaning(&record.query).unwrap_or_else(|error| error)
    });
    for record in data::queries("meaningless.slt") {
        assert!(meaning(&record.query).is_err(), "{}", record.query);
    }
}
