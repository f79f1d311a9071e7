//! Rows that are hidden are hidden in every way to look at them.

use jansky_adql::plan::{ExprKind, Plan};
use jansky_adql::{Span, parse, resolve};

use crate::meaning::archive;

fn plan(query: &str) -> Plan {
    let tree = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    resolve(&tree, &archive()).unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[test]
fn each_scan_of_a_table_can_be_restricted_wherever_it_stands() {
    for (query, scans) in [
        ("SELECT * FROM ivoa.obscore", 1),
        ("SELECT 1 FROM ivoa.obscore a, ivoa.obscore b", 2),
        (
            "SELECT 1 FROM ivoa.obscore NATURAL JOIN ivoa.obscore_radio",
            1,
        ),
        ("SELECT 1 FROM (SELECT * FROM ivoa.obscore) AS x", 1),
        (
            "WITH x AS (SELECT * FROM ivoa.obscore) SELECT 1 FROM x, x AS y",
            1,
        ),
        (
            "SELECT 1 FROM cat.sources WHERE EXISTS (SELECT * FROM ivoa.obscore)",
            1,
        ),
        (
            "SELECT 1 FROM cat.sources WHERE \"Name\" NOT IN (SELECT obs_id FROM ivoa.obscore)",
            1,
        ),
        (
            "SELECT obs_id FROM ivoa.obscore UNION (SELECT obs_id FROM ivoa.obscore)",
            2,
        ),
        (
            "SELECT s.id FROM cat.sources AS s JOIN cat.sources AS t USING (id) \
             JOIN cat.sources AS u ON EXISTS (SELECT 1 FROM ivoa.obscore WHERE s_ra = u.ra) \
             GROUP BY s.id HAVING NOT (COUNT(*) > 1 OR s.id IN (SELECT t_min FROM ivoa.obscore \
             WHERE EXISTS (SELECT 1 FROM ivoa.obscore)))",
            3,
        ),
    ] {
        let mut plan = plan(query);
        let mut restricted = 0;
        plan.scans(|scan| {
            if scan.table.name == "obscore" {
                let released = scan.column("obs_release_date").expect("it has one");
                let condition = ExprKind::IsNull(Box::new(released));
                scan.restrict(jansky_adql::plan::Expr::condition(
                    condition,
                    Span::default(),
                ));
                restricted += 1;
            }
        });
        assert_eq!(restricted, scans, "{query}");
        let text = plan.to_string();
        let found = text.lines().filter(|line| {
            line.contains("scan ivoa.obscore ") || line.ends_with("scan ivoa.obscore")
        });
        let found: Vec<&str> = found.collect();
        assert_eq!(found.len(), scans, "{text}");
        assert!(found.iter().all(|line| line.contains("IS NULL")), "{text}");
    }
}
