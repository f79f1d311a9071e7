//! The elements of the standard as they are written, in the order of its schema.

use super::xml::{Unwritable, close, open, text};
use crate::attribute::Element;
use crate::model::{
    Bound, Choice, CooSys, Field, Group, Info, Link, Param, Resource, Table, TimeSys, Values,
    Votable,
};

type Written = Result<(), Unwritable>;

fn leaf<E: Element>(out: &mut Vec<u8>, name: &str, element: &E) -> Written {
    open(out, name, element)?;
    out.extend_from_slice(b"/>\n");
    Ok(())
}

fn description(out: &mut Vec<u8>, description: Option<&str>) -> Written {
    if let Some(description) = description {
        out.extend_from_slice(b"<DESCRIPTION>");
        text(out, description)?;
        close(out, "DESCRIPTION");
    }
    Ok(())
}

pub(super) fn infos(out: &mut Vec<u8>, infos: &[Info]) -> Written {
    for info in infos {
        open(out, Info::NAME, info)?;
        if info.text.is_empty() {
            out.extend_from_slice(b"/>\n");
        } else {
            out.push(b'>');
            text(out, &info.text)?;
            close(out, Info::NAME);
        }
    }
    Ok(())
}

fn links(out: &mut Vec<u8>, links: &[Link]) -> Written {
    links
        .iter()
        .try_for_each(|link| leaf(out, Link::NAME, link))
}

fn systems(out: &mut Vec<u8>, coosys: &[CooSys], timesys: &[TimeSys]) -> Written {
    for one in coosys {
        leaf(out, CooSys::NAME, one)?;
    }
    timesys
        .iter()
        .try_for_each(|one| leaf(out, TimeSys::NAME, one))
}

fn params(out: &mut Vec<u8>, params: &[Param]) -> Written {
    params.iter().try_for_each(|param| {
        open(out, Param::NAME, param)?;
        field_content(out, Param::NAME, &param.field)
    })
}

fn field_content(out: &mut Vec<u8>, name: &str, field: &Field) -> Written {
    let has_content =
        field.description.is_some() || field.values.is_some() || !field.links.is_empty();
    if !has_content {
        out.extend_from_slice(b"/>\n");
        return Ok(());
    }
    out.extend_from_slice(b">\n");
    description(out, field.description.as_deref())?;
    if let Some(values) = &field.values {
        write_values(out, values)?;
    }
    links(out, &field.links)?;
    close(out, name);
    Ok(())
}

fn write_values(out: &mut Vec<u8>, values: &Values) -> Written {
    open(out, Values::NAME, values)?;
    out.extend_from_slice(b">\n");
    let bounds: [(&str, &Option<Bound>); 2] = [("MIN", &values.min), ("MAX", &values.max)];
    for (name, bound) in bounds {
        if let Some(bound) = bound {
            leaf(out, name, bound)?;
        }
    }
    choices(out, &values.options)?;
    close(out, Values::NAME);
    Ok(())
}

fn choices(out: &mut Vec<u8>, all: &[Choice]) -> Written {
    for one in all {
        open(out, Choice::NAME, one)?;
        if one.options.is_empty() {
            out.extend_from_slice(b"/>\n");
        } else {
            out.extend_from_slice(b">\n");
            choices(out, &one.options)?;
            close(out, Choice::NAME);
        }
    }
    Ok(())
}

fn groups(out: &mut Vec<u8>, all: &[Group]) -> Written {
    for group in all {
        open(out, Group::NAME, group)?;
        out.extend_from_slice(b">\n");
        description(out, group.description.as_deref())?;
        for one in &group.field_refs {
            leaf(out, "FIELDref", one)?;
        }
        for one in &group.param_refs {
            leaf(out, "PARAMref", one)?;
        }
        params(out, &group.params)?;
        groups(out, &group.groups)?;
        close(out, Group::NAME);
    }
    Ok(())
}

/// What stands in VOTABLE before its resources.
pub(super) fn document(out: &mut Vec<u8>, document: &Votable) -> Written {
    description(out, document.description.as_deref())?;
    systems(out, &document.coosys, &document.timesys)?;
    groups(out, &document.groups)?;
    params(out, &document.params)?;
    infos(out, &document.infos)
}

/// The start of a RESOURCE, and what stands in it before its tables.
pub(super) fn resource(out: &mut Vec<u8>, resource: &Resource) -> Written {
    open(out, Resource::NAME, resource)?;
    out.extend_from_slice(b">\n");
    description(out, resource.description.as_deref())?;
    infos(out, &resource.infos)?;
    systems(out, &resource.coosys, &resource.timesys)?;
    groups(out, &resource.groups)?;
    params(out, &resource.params)?;
    links(out, &resource.links)
}

/// The start of a TABLE, and what stands in it before its rows.
pub(super) fn table(out: &mut Vec<u8>, table: &Table) -> Written {
    open(out, Table::NAME, table)?;
    out.extend_from_slice(b">\n");
    description(out, table.description.as_deref())?;
    infos(out, &table.infos)?;
    for field in &table.fields {
        open(out, Field::NAME, field)?;
        field_content(out, Field::NAME, field)?;
    }
    params(out, &table.params)?;
    groups(out, &table.groups)?;
    links(out, &table.links)
}
