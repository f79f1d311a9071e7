//! What is written, and what cannot be.

use jansky_votable::{
    ArraySize, Batch, Column, CooSys, Data, Datatype, Field, FieldRef, Group, Info, Link, Param,
    QueryStatus, Resource, Serialization, Strings, Table, TimeSys, Values, Version, Votable,
    WriteError, Writer,
};

use crate::support::{begun, document, read};

const BOTH: [Serialization; 2] = [Serialization::TableData, Serialization::Binary2];

fn one(column: Column) -> Batch {
    Batch::new(vec![column]).expect("one column")
}

fn strings(texts: &[&str]) -> Column {
    Column::new(Data::Text(texts.iter().collect::<Strings>()))
}

fn field(datatype: Datatype, size: &str) -> [Field; 1] {
    [Field::new("x", datatype, ArraySize::parse(size))]
}

fn refusal(serialization: Serialization, field: &[Field], column: Column) -> String {
    let error = document(serialization, field, &one(column)).expect_err("it does not fit");
    error.to_string()
}

#[test]
fn a_value_that_does_not_fit_its_field_is_named_with_its_row() {
    let array = |length: usize| {
        Column::of_arrays(Data::Int(vec![0; length]), vec![0, length]).expect("offsets")
    };
    let magic = Field {
        values: Some(Values {
            null: Some("-99".to_owned()),
            ..Values::default()
        }),
        ..Field::new("x", Datatype::Short, None)
    };
    for serialization in BOTH {
        let of = |field: &[Field], column| refusal(serialization, field, column);
        assert_eq!(
            of(&field(Datatype::Char, "*"), strings(&["a", "Ærø"])),
            "row 2, field `x`: 'Æ' is not ASCII, which `char` must be; make it `unicodeChar`"
        );
        assert_eq!(
            of(&field(Datatype::Char, "2"), strings(&["abc"])),
            "row 1, field `x`: a string of length 3, which may have 2"
        );
        assert_eq!(
            of(&field(Datatype::UnicodeChar, "1*"), strings(&["𝄞"])),
            "row 1, field `x`: a string of length 2, which may have 1"
        );
        assert_eq!(
            of(&field(Datatype::Int, "3"), array(2)),
            "row 1, field `x`: 2 values, which must be 3"
        );
        assert_eq!(
            of(&field(Datatype::Int, "2x3*"), array(5)),
            "row 1, field `x`: 5 values, which must be at most 6, and a multiple of 2"
        );
        assert_eq!(
            of(
                std::slice::from_ref(&magic),
                Column::new(Data::Short(vec![1, -99]))
            ),
            "row 2, field `x`: the value is the one that stands for none (VALUES null)"
        );
    }
}

#[test]
fn what_xml_cannot_have_is_written_in_binary2_alone() {
    let field = field(Datatype::Char, "*");

    assert_eq!(
        refusal(Serialization::TableData, &field, strings(&["a\u{1}b"])),
        "row 1, field `x`: XML cannot have the character U+0001; BINARY2 can"
    );
    let written = document(Serialization::Binary2, &field, &one(strings(&["a\u{1}b"])));
    let read = read(written.expect("it fits").as_bytes()).expect("it can be read");
    assert_eq!(read.column().data(), strings(&["a\u{1}b"]).data());
}

#[test]
fn a_column_of_another_type_is_refused() {
    let field = field(Datatype::Int, "");
    let array = Column::of_arrays(Data::Int(vec![1]), vec![0, 1]).expect("offsets");
    for serialization in BOTH {
        assert_eq!(
            refusal(serialization, &field, strings(&["a"])),
            "the column for the field `x` has no values of the datatype int"
        );
        assert_eq!(
            refusal(serialization, &field, array.clone()),
            "the column for the field `x` has arrays"
        );
        let error = document(serialization, &field, &Batch::default());
        assert_eq!(
            error,
            Err(WriteError::Columns {
                expected: 1,
                found: 0
            })
        );
    }
}

#[test]
fn a_document_that_broke_off_still_says_so_and_has_the_rows_before() {
    let batches = [&["a", "b"][..], &["c", "Ω", "d"]];
    for serialization in BOTH {
        let mut out = Vec::new();
        let mut writer = begun(serialization, &field(Datatype::Char, "*"), &mut out);

        writer
            .rows(&one(strings(batches[0])), &mut out)
            .expect("they fit");
        let error = writer
            .rows(&one(strings(batches[1])), &mut out)
            .expect_err("no ASCII");
        let status = Info::query_status(QueryStatus::Error(error.to_string()));
        writer
            .end(std::slice::from_ref(&status), &mut out)
            .expect("there is a document");

        assert!(error.to_string().starts_with("row 4, field `x`"), "{error}");
        let read = read(&out).expect("it is whole");
        assert_eq!(read.column().data(), strings(&["a", "b", "c"]).data());
        assert_eq!(read.document.resources[0].trailing_infos, [status]);
    }
}

#[test]
fn batches_of_any_length_make_one_table() {
    for serialization in BOTH {
        let mut out = Vec::new();
        let mut writer = begun(serialization, &field(Datatype::UnsignedByte, ""), &mut out);
        let mut expected = Vec::new();
        for length in 0..20_u8 {
            let values: Vec<u8> = (0..length).collect();
            expected.extend_from_slice(&values);
            let batch = one(Column::new(Data::UnsignedByte(values)));
            writer.rows(&batch, &mut out).expect("they fit");
        }
        writer.end(&[], &mut out).expect("there is a document");

        let read = read(&out).expect("it can be read");
        assert_eq!(read.column().data(), &Data::UnsignedByte(expected));
    }
}

#[test]
fn the_head_is_there_before_the_first_row() {
    let mut out = Vec::new();
    begun(
        Serialization::TableData,
        &field(Datatype::Int, ""),
        &mut out,
    );

    assert_eq!(
        String::from_utf8(out).expect("text"),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n\
         <RESOURCE type=\"results\">\n\
         <INFO name=\"QUERY_STATUS\" value=\"OK\"/>\n\
         <TABLE>\n\
         <FIELD name=\"x\" datatype=\"int\"/>\n\
         <DATA>\n\
         <TABLEDATA>\n"
    );
}

/// A document with every element.
pub(crate) fn metadata() -> (Votable, Resource, Table) {
    let some = |text: &str| Some(text.to_owned());
    let link = Link {
        href: some("http://example.org/?a=1&b=2"),
        content_role: some("doc"),
        title: some("more"),
        ..Link::default()
    };
    let values = Values {
        kind: some("legal"),
        min: Some(jansky_votable::Bound {
            value: "0".to_owned(),
            inclusive: some("no"),
        }),
        max: Some(jansky_votable::Bound {
            value: "360".to_owned(),
            inclusive: None,
        }),
        options: vec![jansky_votable::Choice {
            name: some("zero"),
            value: "0".to_owned(),
            options: vec![jansky_votable::Choice {
                value: "0.0".to_owned(),
                ..jansky_votable::Choice::default()
            }],
        }],
        ..Values::default()
    };
    let ra = Field {
        id: some("ra"),
        unit: some("deg"),
        ucd: some("pos.eq.ra;meta.main"),
        utype: some("stc:ra"),
        reference: some("icrs"),
        width: some("12"),
        precision: some("F6"),
        description: some("right ascension <of> the \"source\""),
        values: Some(values),
        links: vec![link.clone()],
        ..Field::new("ra", Datatype::Double, None)
    };
    let time = Field {
        id: some("t"),
        xtype: some("timestamp"),
        reference: some("tdb"),
        ..Field::new("t", Datatype::Char, ArraySize::parse("19"))
    };
    let param = Param {
        field: Field {
            id: some("p"),
            ucd: some("obs.param"),
            ..Field::new("p\tq", Datatype::Char, ArraySize::parse("*"))
        },
        value: "two\nlines & \"more\"".to_owned(),
    };
    let inner = Group {
        name: some("inner"),
        params: vec![param.clone()],
        ..Group::default()
    };
    let group = Group {
        id: some("g"),
        name: some("position"),
        description: some("where"),
        field_refs: vec![FieldRef {
            reference: "ra".to_owned(),
            ucd: some("pos.eq.ra"),
            utype: None,
        }],
        param_refs: vec![jansky_votable::ParamRef {
            reference: "p".to_owned(),
            ..jansky_votable::ParamRef::default()
        }],
        groups: vec![Group {
            params: Vec::new(),
            ..inner
        }],
        ..Group::default()
    };
    let table = Table {
        id: some("t1"),
        name: some("ivoa.obscore"),
        nrows: Some(1),
        description: some("one row"),
        infos: vec![Info::new("note", "a")],
        fields: vec![ra, time],
        params: vec![param],
        groups: vec![group],
        links: vec![link.clone()],
        ..Table::default()
    };
    let resource = Resource {
        id: some("r1"),
        name: some("result"),
        kind: some("results"),
        utype: some("adhoc:x"),
        description: some("what was asked for"),
        infos: vec![Info::query_status(QueryStatus::Ok)],
        coosys: vec![CooSys {
            id: some("icrs"),
            system: some("ICRS"),
            epoch: some("J2000"),
            ..CooSys::default()
        }],
        timesys: vec![TimeSys {
            id: some("tdb"),
            timeorigin: None,
            timescale: some("TDB"),
            refposition: some("BARYCENTER"),
        }],
        links: vec![link],
        ..Resource::default()
    };
    let document = Votable {
        id: some("v"),
        version: some("1.4"),
        description: some("a document"),
        infos: vec![Info {
            unit: some("s"),
            ucd: some("time"),
            text: "what <it> took".to_owned(),
            ..Info::new("duration", "0.1")
        }],
        ..Votable::default()
    };
    (document, resource, table)
}

pub(crate) fn document_with_metadata(version: Version) -> Vec<u8> {
    let (document, resource, table) = metadata();
    let mut out = Vec::new();
    let mut writer = Writer::new(version, Serialization::TableData);
    writer.begin(&document, &mut out).expect("a document");
    writer
        .begin_resource(&resource, &mut out)
        .expect("a resource");
    writer.begin_table(&table, &mut out).expect("a table");
    let columns = vec![
        Column::new(Data::Double(vec![12.5])),
        strings(&["2026-12-01T05:34:49"]),
    ];
    let batch = Batch::new(columns).expect("one row");
    writer.rows(&batch, &mut out).expect("it fits");
    writer.end_table(&mut out);
    let meta = Resource {
        kind: Some("meta".to_owned()),
        ..Resource::default()
    };
    writer
        .begin_resource(&meta, &mut out)
        .expect("a resource in the other");
    writer.end_resource(&[], &mut out).expect("it is open");
    writer
        .end(&[Info::new("QUERY_STATUS", "OVERFLOW")], &mut out)
        .expect("the end");
    out
}

#[test]
fn every_element_comes_back() {
    let (mut document, mut resource, table) = metadata();

    let found = read(&document_with_metadata(Version::V1_4)).expect("it can be read");

    resource.tables.push(table);
    resource.resources.push(Resource {
        kind: Some("meta".to_owned()),
        ..Resource::default()
    });
    resource
        .trailing_infos
        .push(Info::new("QUERY_STATUS", "OVERFLOW"));
    document.resources.push(resource);
    assert_eq!(found.document, document);
}

#[test]
fn what_comes_before_its_time_is_refused_and_nothing_is_written() {
    let mut out = Vec::new();
    let mut writer = Writer::new(Version::V1_5, Serialization::TableData);
    assert!(writer.end(&[], &mut out).is_err());
    assert!(
        writer
            .begin_resource(&Resource::default(), &mut out)
            .is_err()
    );
    writer
        .begin(&Votable::default(), &mut out)
        .expect("a document");
    let before = out.len();

    assert!(writer.begin(&Votable::default(), &mut out).is_err());
    assert!(writer.begin_table(&Table::default(), &mut out).is_err());
    assert!(writer.rows(&Batch::default(), &mut out).is_err());
    assert!(writer.end_resource(&[], &mut out).is_err());
    let bad = Resource {
        name: Some("a\u{0}b".to_owned()),
        ..Resource::default()
    };
    let error = writer.begin_resource(&bad, &mut out).expect_err("a NUL");
    assert_eq!(
        error.to_string(),
        "XML cannot have the character U+0000, which is in <RESOURCE>"
    );

    assert_eq!(out.len(), before);
}

#[test]
fn a_field_that_cannot_be_written_is_refused() {
    for (datatype, size, message) in [
        (Datatype::Char, "*x3", None),
        (
            Datatype::Char,
            "0x3",
            Some("is an array of strings, whose length `arraysize` must say"),
        ),
        (Datatype::Int, "0", Some("has a size of 0")),
        (Datatype::Int, "0x*", Some("has a size of 0")),
    ] {
        assert_eq!(
            ArraySize::parse(size).is_some(),
            message.is_some(),
            "{size}"
        );
        let Some(message) = message else { continue };
        let mut out = Vec::new();
        let mut writer = Writer::new(Version::V1_4, Serialization::Binary2);
        writer
            .begin(&Votable::default(), &mut out)
            .expect("a document");
        writer
            .begin_resource(&Resource::default(), &mut out)
            .expect("a resource");
        let table = Table {
            fields: field(datatype, size).to_vec(),
            ..Table::default()
        };

        let error = writer
            .begin_table(&table, &mut out)
            .expect_err("no such field");

        assert_eq!(error.to_string(), format!("the field `x` {message}"));
    }
}
