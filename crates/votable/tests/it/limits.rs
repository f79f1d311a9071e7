//! What is too much.

use jansky_votable::{Data, Limits, Part, Reader};

use crate::support::{read_within, tabledata};

fn refusal(document: &str, limits: Limits) -> String {
    let error = read_within(document.as_bytes(), limits).expect_err("it is too much");
    error.problem.to_string()
}

fn small() -> Limits {
    Limits {
        depth: 6,
        tag_bytes: 1000,
        metadata_bytes: 20_000,
        fields: 4,
        row_bytes: 100,
        batch_rows: 10,
        batch_bytes: 1000,
    }
}

#[test]
fn more_than_a_limit_is_refused_with_its_name() {
    let field = "<FIELD name=\"x\" datatype=\"char\" arraysize=\"*\"/>";
    let long = "y".repeat(200_000);
    let attributes: Vec<String> = (0..70).map(|number| format!(" a{number}=\"\"")).collect();
    let attributes = attributes.concat();
    for (document, expected) in [
        (
            "<VOTABLE>".to_owned() + &"<GROUP>".repeat(6),
            "elements within each other: more than the limit of 6",
        ),
        (
            format!("<VOTABLE ID=\"{long}\"/>"),
            "bytes of one tag or text: more than the limit of 1000",
        ),
        (
            format!("<VOTABLE><!--{long}--></VOTABLE>"),
            "bytes of one tag or text: more than the limit of 1000",
        ),
        (
            format!("<VOTABLE{attributes}/>"),
            "attributes of an element: more than the limit of 64",
        ),
        (
            "<VOTABLE>".to_owned() + &"<GROUP/>".repeat(100),
            "bytes outside of the rows: more than the limit of 20000",
        ),
        (
            tabledata(&field.repeat(5), ""),
            "fields of a table: more than the limit of 4",
        ),
        (
            tabledata(field, &format!("<TR><TD>{}</TD></TR>", &long[..101])),
            "bytes of a row: more than the limit of 100",
        ),
        (
            tabledata(field, &format!("<TR><TD>{long}</TD></TR>")),
            "bytes of one tag or text: more than the limit of 100",
        ),
        (
            tabledata(field, &format!("<TR><TD>{}</TD></TR>", "&lt;".repeat(101))),
            "bytes of a row: more than the limit of 100",
        ),
    ] {
        assert_eq!(refusal(&document, small()), expected);
    }
}

#[test]
fn a_long_table_comes_in_batches_of_a_bounded_size() {
    let rows = "<TR><TD>7</TD></TR>".repeat(95);
    let document = tabledata("<FIELD name=\"x\" datatype=\"int\"/>", &rows);

    let read = read_within(document.as_bytes(), small()).expect("it can be read");

    let lengths: Vec<usize> = read.batches[0]
        .iter()
        .map(jansky_votable::Batch::rows)
        .collect();
    assert_eq!(lengths, [10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
}

#[test]
fn a_document_without_an_end_is_read_as_it_comes() {
    let head = tabledata("<FIELD name=\"x\" datatype=\"int\"/>", "");
    let head = head.split("</TABLEDATA>").next().expect("a beginning");
    let endless = std::io::Read::chain(head.as_bytes(), Endless { at: 0 });
    let mut reader = Reader::new(endless, small());

    let mut rows = 0;
    while rows < 100_000 {
        match reader.read().expect("it is well-formed") {
            Some(Part::Rows(batch)) => {
                assert!(batch.rows() <= 10);
                assert!(matches!(batch.columns()[0].data(), Data::Int(values) if values[0] == 7));
                rows += batch.rows();
            }
            Some(Part::Table(_)) => {}
            None => panic!("it has no end"),
        }
    }
}

/// Rows for ever.
struct Endless {
    at: usize,
}

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        const ROW: &[u8] = b"<TR><TD>7</TD></TR>\n";
        for byte in &mut *buffer {
            *byte = ROW[self.at];
            self.at = (self.at + 1) % ROW.len();
        }
        Ok(buffer.len())
    }
}

#[test]
fn a_reference_to_a_table_costs_what_its_fields_take() {
    let fields = "<FIELD name=\"x\" datatype=\"int\"/>".repeat(4);
    let document = format!(
        "<VOTABLE><RESOURCE><TABLE ID=\"t\">{fields}</TABLE>{}</RESOURCE></VOTABLE>",
        "<TABLE ref=\"t\"/>".repeat(20)
    );

    let refusal = refusal(&document, small());

    assert_eq!(
        refusal,
        "bytes outside of the rows: more than the limit of 20000"
    );
}
