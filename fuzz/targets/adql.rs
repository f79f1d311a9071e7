//! Queries: any text is a query or an error inside of it; what is printed is read again as the same and means
//! the same; and a plan has no way to a table but its scans.
#![no_main]

use std::sync::LazyLock;

use jansky_adql::catalogue::{Column, Listing, Signature, Table};
use jansky_adql::{Type, Version, parse, parse_as, resolve};
use libfuzzer_sys::fuzz_target;

static ARCHIVE: LazyLock<Listing> = LazyLock::new(|| {
    let mut listing = Listing::new();
    let columns = [
        ("a", Type::Integer),
        ("b", Type::Text),
        ("c", Type::Double),
        ("d", Type::Timestamp),
        ("p", Type::Point),
        ("s", Type::Region),
    ];
    let columns = columns.map(|(name, ty)| Column::new(name, ty).in_unit("deg"));
    listing.add_table(Table::new("x", "t", columns.clone()));
    listing.add_table(Table::new("x", "u", columns[..3].to_vec()));
    let both = [("one", Type::Double), ("other", Type::Text)];
    listing.add_function(Signature::new("f", &both, Type::Double));
    listing.add_function(Signature {
        is_aggregate: true,
        ..Signature::new("g", &both, Type::Text)
    });
    listing
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let _ = parse_as(Version::V2_0, text);
    let tree = match parse(text) {
        Ok(tree) => tree,
        Err(error) => return check(text, &error),
    };
    let printed = tree.to_string();
    let again = parse(&printed);
    assert!(again.as_ref() == Ok(&tree), "{printed}\n{again:?}");
    let again = again.expect("it was compared");
    assert_eq!(again.to_string(), printed);

    match (resolve(&tree, &*ARCHIVE), resolve(&again, &*ARCHIVE)) {
        (Ok(mut plan), Ok(same)) => {
            assert_eq!(plan.root, same.root, "{printed}");
            assert_eq!(plan.check(), Ok(()), "{plan}");
            for output in &plan.output {
                assert_eq!(
                    plan.field(output.id).about.is_some(),
                    same.field(output.id).about.is_some()
                );
            }
            let ids: Vec<_> = plan.output.iter().map(|output| output.id).collect();
            assert_eq!(plan.root.output(), ids, "{plan}");
            let shown = plan.to_string();
            let mut scans = 0;
            plan.scans(|_| scans += 1);
            // A text in the query may look like a scan.
            assert!(shown.matches("scan x.").count() >= scans, "{shown}");
        }
        (Err(error), Err(same)) => {
            assert_eq!(error.kind, same.kind, "{printed}");
            check(text, &error);
        }
        (one, same) => panic!("{printed}\n{one:?}\n{same:?}"),
    }
});

/// An error stands in the text, and can be shown.
fn check(text: &str, error: &jansky_adql::Error) {
    assert!(error.span.range().end <= text.len());
    assert!(text.is_char_boundary(error.span.range().start));
    assert!(error.span.line > 0 && error.span.column > 0);
    assert!(!error.to_string().is_empty());
    assert_eq!(error.excerpt(text).lines().count(), 2);
}
