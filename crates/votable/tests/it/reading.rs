//! What is read of documents as others write them.

use jansky_votable::{Data, Info, Logical, Strings};

use crate::support::{Read, read, tabledata};

fn read_text(document: &str) -> Read {
    read(document.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn cells(datatype: &str, rows: &str) -> Read {
    read_text(&tabledata(
        &format!("<FIELD name=\"x\" datatype={datatype}/>"),
        rows,
    ))
}

fn texts(texts: &[&str]) -> Data {
    Data::Text(texts.iter().collect::<Strings>())
}

#[test]
fn all_ways_to_write_a_boolean_are_read() {
    let rows = ["T", "t", "1", "tRuE", "F", "f", "0", "false", "?", " T "];
    let rows = rows
        .map(|cell| format!("<TR><TD>{cell}</TD></TR>"))
        .concat();

    let read = cells("\"boolean\"", &rows);

    let (yes, no) = (Logical::True, Logical::False);
    let expected = [yes, yes, yes, yes, no, no, no, no, Logical::Unknown, yes];
    assert_eq!(read.column().data(), &Data::Boolean(expected.to_vec()));
    assert!(!read.column().is_valid(8));
}

#[test]
fn integers_may_be_hexadecimal_and_have_blanks_around_them() {
    let read = cells(
        "\"short\"",
        "<TR><TD> 0xFFFE </TD></TR><TR><TD>\n+7\t</TD></TR><TR><TD> </TD></TR>",
    );

    assert_eq!(read.column().data(), &Data::Short(vec![-2, 7, 0]));
    assert!(!read.column().is_valid(2));
}

#[test]
fn a_size_of_one_is_no_array() {
    let read = cells("\"double\" arraysize=\"1\"", "<TR><TD>1.5</TD></TR>");

    assert_eq!(read.column().data(), &Data::Double(vec![1.5]));
    assert_eq!(read.column().offsets(), None);
}

#[test]
fn blanks_in_texts_are_kept_and_references_resolved() {
    let rows = "<TR><TD> a &lt; b &#x3A9;&#937; </TD></TR><TR><TD><![CDATA[<&amp;>]]></TD></TR>\
                <TR><TD>a<!-- b -->c</TD></TR><TR><TD>one\r\ntwo</TD></TR>";

    let read = cells("\"char\" arraysize=\"*\"", rows);

    let expected = texts(&[" a < b ΩΩ ", "<&amp;>", "ac", "one\ntwo"]);
    assert_eq!(read.column().data(), &expected);
}

#[test]
fn the_value_that_stands_for_none_is_none() {
    let values =
        |datatype, null| format!("<FIELD name=\"x\" datatype=\"{datatype}\" {null}/></FIELD>");
    for (datatype, null, cell) in [
        ("short", "><VALUES null=\"-99\"", "-99"),
        ("int", "><VALUES null=\"0x10\"", "16"),
        ("double", "><VALUES null=\"-1e30\"", "-1.0E30"),
        ("char", "arraysize=\"*\"><VALUES null=\"n/a\"", "n/a"),
    ] {
        let rows = format!("<TR><TD>{cell}</TD></TR>");

        let read = read_text(&tabledata(&values(datatype, null), &rows));

        assert!(!read.column().is_valid(0), "{datatype}");
    }
}

#[test]
fn rows_are_read_however_their_tags_are_written() {
    let rows =
        "\n <TR ID='r1'>\n  <TD >1</TD >\n</TR>\n<?pi?><TR><TD/></TR><!-- --><TR><TD></TD></TR>";

    let read = cells("\"int\"", rows);

    assert_eq!(read.column().len(), 3);
    assert_eq!(
        [0, 1, 2].map(|row| read.column().is_valid(row)),
        [true, false, false]
    );
}

#[test]
fn prefixes_and_elements_of_others_do_not_matter() {
    let document = "<v:VOTABLE xmlns:v=\"http://www.ivoa.net/xml/VOTable/v1.3\" version=\"1.3\">\
        <v:RESOURCE type=\"results\"><dm:VODML xmlns:dm=\"x\"><TABLE/><FIELD/></dm:VODML>\
        <v:TABLE><v:FIELD name=\"x\" datatype=\"int\" dm:role=\"y\"/><v:DATA><v:TABLEDATA>\
        <v:TR><v:TD>5</v:TD></v:TR></v:TABLEDATA></v:DATA></v:TABLE></v:RESOURCE></v:VOTABLE>";

    let read = read_text(document);

    assert_eq!(read.column().data(), &Data::Int(vec![5]));
    assert_eq!(read.document.version.as_deref(), Some("1.3"));
}

#[test]
fn an_old_document_with_definitions_and_a_doctype_is_read() {
    let document = "<?xml version=\"1.0\"?><!DOCTYPE VOTABLE SYSTEM \"http://us-vo.org/xml/VOTable.dtd\">\
        <VOTABLE version=\"1.1\"><DEFINITIONS><COOSYS ID=\"J2000\" equinox=\"J2000.\" system=\"eq_FK5\"/>\
        <PARAM name=\"p\" datatype=\"float\" value=\"1\"/></DEFINITIONS><RESOURCE/></VOTABLE>";

    let read = read_text(document);

    assert_eq!(read.document.coosys[0].system.as_deref(), Some("eq_FK5"));
    assert_eq!(read.document.params[0].value, "1");
}

#[test]
fn what_stands_after_the_rows_is_told_from_what_stands_before_them() {
    let document = "<VOTABLE><INFO name=\"a\" value=\"1\"/><RESOURCE><INFO name=\"QUERY_STATUS\" value=\"OK\"/>\
        <TABLE><FIELD name=\"x\" datatype=\"int\"/><DATA><TABLEDATA/></DATA><INFO name=\"b\" value=\"2\"/></TABLE>\
        <INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\">more than 0 rows</INFO></RESOURCE>\
        <INFO name=\"c\" value=\"3\"/></VOTABLE>";

    let Read { document, .. } = read_text(document);

    let resource = &document.resources[0];
    assert_eq!(document.infos, [Info::new("a", "1")]);
    assert_eq!(resource.infos, [Info::new("QUERY_STATUS", "OK")]);
    assert_eq!(resource.tables[0].trailing_infos, [Info::new("b", "2")]);
    let overflow = jansky_votable::QueryStatus::Overflow("more than 0 rows".to_owned());
    assert_eq!(resource.trailing_infos, [Info::query_status(overflow)]);
    assert_eq!(document.trailing_infos, [Info::new("c", "3")]);
}

#[test]
fn a_table_may_have_the_fields_of_another() {
    let document = "<VOTABLE><RESOURCE><TABLE ID=\"t\"><FIELD name=\"x\" datatype=\"int\"/></TABLE>\
        <RESOURCE><TABLE ref=\"t\"><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE>\
        </RESOURCE></RESOURCE></VOTABLE>";

    let read = read_text(document);

    assert_eq!(read.tables[1].fields[0].name, "x");
    assert_eq!(read.batches[1][0].columns()[0].data(), &Data::Int(vec![1]));
}

#[test]
fn base64_may_have_lines_and_blanks() {
    let fields = "<FIELD name=\"x\" datatype=\"int\"/>";
    let document = format!(
        "<VOTABLE><RESOURCE><TABLE>{fields}<DATA><BINARY><STREAM encoding=\"base64\">\r\n AAA\tAAQ\n AA \nAAI=\n\
         </STREAM></BINARY></DATA></TABLE></RESOURCE></VOTABLE>"
    );

    assert_eq!(read_text(&document).column().data(), &Data::Int(vec![1, 2]));
}

#[test]
fn strings_in_binary_end_at_a_nul_or_at_their_length() {
    let fields = "<FIELD name=\"x\" datatype=\"char\" arraysize=\"3\"/>";
    // "ab\0", "abc", "é\0" in UTF-8.
    let document = format!(
        "<VOTABLE><RESOURCE><TABLE>{fields}<DATA><BINARY><STREAM encoding=\"base64\">YWIAYWJjw6kA</STREAM></BINARY>\
         </DATA></TABLE></RESOURCE></VOTABLE>"
    );

    assert_eq!(
        read_text(&document).column().data(),
        &texts(&["ab", "abc", "é"])
    );
}

#[test]
fn the_value_of_a_parameter_is_read_like_a_cell() {
    let document = "<VOTABLE><PARAM name=\"p\" datatype=\"int\" arraysize=\"*\" value=\"1 2 3\"/>\
        <PARAM name=\"q\" datatype=\"int\" value=\"x\"/></VOTABLE>";

    let Read { document, .. } = read_text(document);

    let column = document.params[0].column().expect("three integers");
    assert_eq!(column.data(), &Data::Int(vec![1, 2, 3]));
    assert_eq!(
        document.params[1].column().expect_err("no integer"),
        "`x` is not an int"
    );
}
