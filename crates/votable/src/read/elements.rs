//! The elements of the standard, read whole: all but VOTABLE, RESOURCE, TABLE and what has rows.

use std::io::Read;

use super::error::ReadError;
use super::tokens::{Start, Tokens};
use crate::attribute::Element;
use crate::model::{
    Bound, Choice, CooSys, Field, FieldRef, Group, Info, Link, Param, ParamRef, TimeSys, Values,
};

impl<R: Read> Tokens<R> {
    /// An element as its attributes say.
    pub(super) fn element<E: Element>(&self, start: Start) -> Result<E, ReadError> {
        for name in E::REQUIRED {
            if start.attribute(name).is_none() {
                let called = start.attribute("name").or(start.attribute("ID"));
                let called = called.map_or(String::new(), |name| format!(" of `{name}`"));
                let message = format!("the attribute `{name}`{called} is missing");
                return Err(self.element_error(&start.name, message));
            }
        }
        let mut element = E::default();
        let called = start.attribute("name").map(str::to_owned);
        for (name, value) in start.attributes {
            let found = super::error::shortened(&value);
            element.set(&name, value).map_err(|expected| {
                let called = called.as_deref().unwrap_or("?");
                let message = format!("`{name}` of `{called}` is {found}, which is not {expected}");
                self.element_error(&start.name, message)
            })?;
        }
        Ok(element)
    }

    /// An element that has nothing in it that is kept.
    fn leaf<E: Element>(&mut self, start: Start) -> Result<E, ReadError> {
        let element = self.element(start)?;
        self.skip()?;
        Ok(element)
    }

    pub(super) fn description(&mut self) -> Result<Option<String>, ReadError> {
        let text = self.text()?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    pub(super) fn info(&mut self, start: Start) -> Result<Info, ReadError> {
        let mut info: Info = self.element(start)?;
        self.text()?.trim().clone_into(&mut info.text);
        Ok(info)
    }

    pub(super) fn link(&mut self, start: Start) -> Result<Link, ReadError> {
        self.leaf(start)
    }

    pub(super) fn coosys(&mut self, start: Start) -> Result<CooSys, ReadError> {
        self.leaf(start)
    }

    pub(super) fn timesys(&mut self, start: Start) -> Result<TimeSys, ReadError> {
        self.leaf(start)
    }

    pub(super) fn field(&mut self, start: Start) -> Result<Field, ReadError> {
        let mut field: Field = self.element(start)?;
        self.field_content(&mut field)?;
        Ok(field)
    }

    pub(super) fn param(&mut self, start: Start) -> Result<Param, ReadError> {
        let mut param: Param = self.element(start)?;
        self.field_content(&mut param.field)?;
        Ok(param)
    }

    fn field_content(&mut self, field: &mut Field) -> Result<(), ReadError> {
        while let Some(start) = self.child()? {
            match start.name.as_str() {
                "DESCRIPTION" => field.description = self.description()?,
                "VALUES" => {
                    let values = self.values(start)?;
                    // Those of type `actual` may come beside the legal ones.
                    let is_better = field.null().is_none() && values.null.is_some();
                    if field.values.is_none() || is_better {
                        field.values = Some(values);
                    }
                }
                "LINK" => field.links.push(self.link(start)?),
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn values(&mut self, start: Start) -> Result<Values, ReadError> {
        let mut values: Values = self.element(start)?;
        while let Some(start) = self.child()? {
            match start.name.as_str() {
                "MIN" => values.min = Some(self.leaf::<Bound>(start)?),
                "MAX" => values.max = Some(self.leaf::<Bound>(start)?),
                "OPTION" => values.options.push(self.choice(start)?),
                _ => self.skip()?,
            }
        }
        Ok(values)
    }

    fn choice(&mut self, start: Start) -> Result<Choice, ReadError> {
        let mut choice: Choice = self.element(start)?;
        while let Some(start) = self.child()? {
            match start.name.as_str() {
                "OPTION" => choice.options.push(self.choice(start)?),
                _ => self.skip()?,
            }
        }
        Ok(choice)
    }

    pub(super) fn group(&mut self, start: Start) -> Result<Group, ReadError> {
        let mut group: Group = self.element(start)?;
        while let Some(start) = self.child()? {
            match start.name.as_str() {
                "DESCRIPTION" => group.description = self.description()?,
                "FIELDref" => group.field_refs.push(self.leaf::<FieldRef>(start)?),
                "PARAMref" => group.param_refs.push(self.leaf::<ParamRef>(start)?),
                "PARAM" => group.params.push(self.param(start)?),
                "GROUP" => group.groups.push(self.group(start)?),
                _ => self.skip()?,
            }
        }
        Ok(group)
    }
}
