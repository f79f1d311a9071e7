//! Units as the standard on them (`VOUnits`) writes them, as far as one is turned into another: `km.s**-1`, `deg/yr`, `10**-3Jy`.

/// What a unit measures: the power of each of these.
type Dimensions = [i8; 8];

/// Of metre, second, kilogram, ampere, kelvin, candela, radian and photon.
const NONE: Dimensions = [0; 8];

/// A unit as a number of base units.
#[derive(Clone, Debug, PartialEq)]
struct Unit {
    factor: f64,
    dimensions: Dimensions,
    /// Units that are converted into nothing else, with their powers.
    own: Vec<(String, i8)>,
}

/// By how much a value in one unit is multiplied to be in the other.
///
/// # Errors
/// A sentence, when one of them is no unit, or they measure different things.
pub(crate) fn factor(from: &str, to: &str) -> Result<f64, String> {
    if to.trim().is_empty() {
        return Err("a value is not converted into one without a unit".to_owned());
    }
    let from_unit = parse(from)
        .ok_or_else(|| format!("the value has the unit `{from}`, which is not known"))?;
    let to_unit = parse(to).ok_or_else(|| format!("`{to}` is no unit that is known"))?;
    let is_nothing = |unit: &Unit| unit.dimensions == NONE && unit.own.is_empty();
    if is_nothing(&from_unit) || is_nothing(&to_unit) {
        return Err("a value without a unit is not converted, nor one into it".to_owned());
    }
    if (&from_unit.dimensions, &from_unit.own) != (&to_unit.dimensions, &to_unit.own) {
        return Err(format!("`{from}` and `{to}` measure different things"));
    }
    let factor = from_unit.factor / to_unit.factor;
    let is_usable = factor.is_finite() && factor > 0.0;
    is_usable
        .then_some(factor)
        .ok_or_else(|| format!("`{to}` is out of range"))
}

fn parse(text: &str) -> Option<Unit> {
    let mut parser = Parser {
        rest: text.trim(),
        depth: 0,
    };
    let unit = parser.product()?;
    parser.rest.is_empty().then_some(unit)
}

struct Parser<'t> {
    rest: &'t str,
    depth: u32,
}

impl Parser<'_> {
    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Units with `.`, `*`, a space or `/` between them.
    fn product(&mut self) -> Option<Unit> {
        let mut product = self.power()?;
        loop {
            let is_divided = self.eat("/");
            let goes_on = is_divided || self.eat(".") || self.eat("*") || self.eat(" ");
            if !goes_on {
                return Some(product);
            }
            let next = self.power()?;
            product.multiply(&next, if is_divided { -1 } else { 1 })?;
        }
    }

    fn power(&mut self) -> Option<Unit> {
        let base = self.base()?;
        let is_power = self.eat("**") || self.eat("^");
        let begins_number = self
            .rest
            .starts_with(|c: char| matches!(c, '0'..='9' | '+' | '-'));
        if !is_power && !begins_number {
            return Some(base);
        }
        let power = self.exponent()?;
        let mut unit = Unit::one();
        unit.multiply(&base, power)?;
        Some(unit)
    }

    fn exponent(&mut self) -> Option<i8> {
        let in_brackets = self.eat("(");
        let is_negative = self.eat("-") || {
            self.eat("+");
            false
        };
        let digits: i8 = self.take_while(|c| c.is_ascii_digit()).parse().ok()?;
        if in_brackets && !self.eat(")") {
            return None;
        }
        Some(if is_negative { -digits } else { digits })
    }

    fn base(&mut self) -> Option<Unit> {
        if self.eat("(") {
            self.depth += 1;
            // Nobody's unit is as deep.
            if self.depth > 8 {
                return None;
            }
            let unit = self.product()?;
            return self.eat(")").then_some(unit);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return self.scale();
        }
        let name = self.take_while(|c| c.is_ascii_alphabetic() || c == '%' || c == '_');
        named(name)
    }

    /// A factor before units: `1000`, `0.1`, `10**-3` or `10+21`.
    fn scale(&mut self) -> Option<Unit> {
        if self.eat("10**")
            || self.rest.starts_with("10+") && self.eat("10")
            || self.rest.starts_with("10-") && self.eat("10")
        {
            let power = self.exponent()?;
            let mut unit = Unit::one();
            unit.factor = 10f64.powi(i32::from(power));
            // Units may follow without a sign between.
            return self.with_next(unit);
        }
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '.');
        // The point before a unit belongs to the product.
        let number = digits.strip_suffix('.').unwrap_or(digits);
        let is_product = number.len() < digits.len();
        let mut unit = Unit::one();
        unit.factor = number.parse().ok()?;
        if is_product {
            let next = self.power()?;
            unit.multiply(&next, 1)?;
            return Some(unit);
        }
        self.with_next(unit)
    }

    fn with_next(&mut self, mut unit: Unit) -> Option<Unit> {
        if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let next = self.power()?;
            unit.multiply(&next, 1)?;
        }
        Some(unit)
    }
}

impl Unit {
    fn one() -> Self {
        Self {
            factor: 1.0,
            dimensions: NONE,
            own: Vec::new(),
        }
    }

    fn multiply(&mut self, other: &Self, power: i8) -> Option<()> {
        self.factor *= other.factor.powi(i32::from(power));
        for (own, other) in self.dimensions.iter_mut().zip(other.dimensions) {
            *own = own.checked_add(other.checked_mul(power)?)?;
        }
        for (name, other) in &other.own {
            let other = other.checked_mul(power)?;
            match self.own.iter_mut().find(|(own, _)| own == name) {
                Some((_, own)) => *own = own.checked_add(other)?,
                None => self.own.push((name.clone(), other)),
            }
        }
        self.own.retain(|(_, power)| *power != 0);
        self.own.sort();
        Some(())
    }
}

const DEGREE: f64 = std::f64::consts::PI / 180.0;

/// Name, factor, and powers of metre, second, kilogram, ampere, kelvin, candela, radian and photon; whether
/// prefixes apply.
const UNITS: &[(&str, f64, Dimensions, bool)] = &[
    ("m", 1.0, [1, 0, 0, 0, 0, 0, 0, 0], true),
    ("s", 1.0, [0, 1, 0, 0, 0, 0, 0, 0], true),
    ("g", 1e-3, [0, 0, 1, 0, 0, 0, 0, 0], true),
    ("A", 1.0, [0, 0, 0, 1, 0, 0, 0, 0], true),
    ("K", 1.0, [0, 0, 0, 0, 1, 0, 0, 0], true),
    ("cd", 1.0, [0, 0, 0, 0, 0, 1, 0, 0], true),
    ("rad", 1.0, [0, 0, 0, 0, 0, 0, 1, 0], true),
    ("sr", 1.0, [0, 0, 0, 0, 0, 0, 2, 0], true),
    ("Hz", 1.0, [0, -1, 0, 0, 0, 0, 0, 0], true),
    ("N", 1.0, [1, -2, 1, 0, 0, 0, 0, 0], true),
    ("Pa", 1.0, [-1, -2, 1, 0, 0, 0, 0, 0], true),
    ("J", 1.0, [2, -2, 1, 0, 0, 0, 0, 0], true),
    ("W", 1.0, [2, -3, 1, 0, 0, 0, 0, 0], true),
    ("C", 1.0, [0, 1, 0, 1, 0, 0, 0, 0], true),
    ("V", 1.0, [2, -3, 1, -1, 0, 0, 0, 0], true),
    ("Ohm", 1.0, [2, -3, 1, -2, 0, 0, 0, 0], true),
    ("F", 1.0, [-2, 4, -1, 2, 0, 0, 0, 0], true),
    ("Wb", 1.0, [2, -2, 1, -1, 0, 0, 0, 0], true),
    ("T", 1.0, [0, -2, 1, -1, 0, 0, 0, 0], true),
    ("G", 1e-4, [0, -2, 1, -1, 0, 0, 0, 0], true),
    ("min", 60.0, [0, 1, 0, 0, 0, 0, 0, 0], false),
    ("h", 3600.0, [0, 1, 0, 0, 0, 0, 0, 0], true),
    ("d", 86_400.0, [0, 1, 0, 0, 0, 0, 0, 0], true),
    ("a", 31_557_600.0, [0, 1, 0, 0, 0, 0, 0, 0], true),
    ("yr", 31_557_600.0, [0, 1, 0, 0, 0, 0, 0, 0], true),
    ("cy", 3_155_760_000.0, [0, 1, 0, 0, 0, 0, 0, 0], false),
    ("deg", DEGREE, [0, 0, 0, 0, 0, 0, 1, 0], true),
    ("arcmin", DEGREE / 60.0, [0, 0, 0, 0, 0, 0, 1, 0], true),
    ("arcsec", DEGREE / 3600.0, [0, 0, 0, 0, 0, 0, 1, 0], true),
    ("mas", DEGREE / 3_600_000.0, [0, 0, 0, 0, 0, 0, 1, 0], false),
    ("uas", DEGREE / 3.6e9, [0, 0, 0, 0, 0, 0, 1, 0], false),
    ("AU", 149_597_870_700.0, [1, 0, 0, 0, 0, 0, 0, 0], false),
    ("au", 149_597_870_700.0, [1, 0, 0, 0, 0, 0, 0, 0], false),
    (
        "pc",
        3.085_677_581_491_367e16,
        [1, 0, 0, 0, 0, 0, 0, 0],
        true,
    ),
    (
        "lyr",
        9.460_730_472_580_8e15,
        [1, 0, 0, 0, 0, 0, 0, 0],
        true,
    ),
    ("Angstrom", 1e-10, [1, 0, 0, 0, 0, 0, 0, 0], false),
    ("angstrom", 1e-10, [1, 0, 0, 0, 0, 0, 0, 0], false),
    ("micron", 1e-6, [1, 0, 0, 0, 0, 0, 0, 0], false),
    ("eV", 1.602_176_634e-19, [2, -2, 1, 0, 0, 0, 0, 0], true),
    ("erg", 1e-7, [2, -2, 1, 0, 0, 0, 0, 0], true),
    (
        "Ry",
        2.179_872_361_103_5e-18,
        [2, -2, 1, 0, 0, 0, 0, 0],
        true,
    ),
    ("Jy", 1e-26, [0, -2, 1, 0, 0, 0, 0, 0], true),
    (
        "R",
        1e10 / (4.0 * std::f64::consts::PI),
        [-2, -1, 0, 0, 0, 0, -2, 1],
        true,
    ),
    ("u", 1.660_539_066_6e-27, [0, 0, 1, 0, 0, 0, 0, 0], true),
    ("barn", 1e-28, [2, 0, 0, 0, 0, 0, 0, 0], true),
    (
        "solMass",
        1.988_409_870_698_051e30,
        [0, 0, 1, 0, 0, 0, 0, 0],
        false,
    ),
    ("solLum", 3.828e26, [2, -3, 1, 0, 0, 0, 0, 0], false),
    ("solRad", 6.957e8, [1, 0, 0, 0, 0, 0, 0, 0], false),
    ("ph", 1.0, [0, 0, 0, 0, 0, 0, 0, 1], true),
    ("photon", 1.0, [0, 0, 0, 0, 0, 0, 0, 1], true),
];

/// Units that measure something that no other does.
const OWN: &[&str] = &[
    "mag", "dex", "dB", "ct", "count", "adu", "electron", "pix", "pixel", "vox", "voxel", "beam",
    "chan", "bin", "bit", "byte", "B", "D", "Sun", "mol",
];

const PREFIXES: &[(&str, i32)] = &[
    ("da", 1),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
    ("h", 2),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
    ("Z", 21),
    ("Y", 24),
];

fn named(name: &str) -> Option<Unit> {
    if let Some(unit) = plain(name, false) {
        return Some(unit);
    }
    PREFIXES.iter().find_map(|(prefix, power)| {
        let mut unit = plain(name.strip_prefix(prefix)?, true)?;
        unit.factor *= 10f64.powi(*power);
        Some(unit)
    })
}

fn plain(name: &str, is_prefixed: bool) -> Option<Unit> {
    let mut unit = Unit::one();
    if let Some((_, factor, dimensions, may_be_prefixed)) =
        UNITS.iter().find(|(own, ..)| *own == name)
    {
        if is_prefixed && !may_be_prefixed {
            return None;
        }
        (unit.factor, unit.dimensions) = (*factor, *dimensions);
        return Some(unit);
    }
    if OWN.contains(&name) {
        unit.own.push((name.to_owned(), 1));
        return Some(unit);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_turned_into_each_other() {
        for (from, to, expected) in [
            ("deg", "rad", DEGREE),
            ("deg", "arcsec", 3600.0),
            ("deg", "mas", 3.6e6),
            ("mas/yr", "arcsec/yr", 1e-3),
            ("km.s**-1", "m/s", 1e3),
            ("km s-1", "m.s^-1", 1e3),
            ("mJy/beam", "Jy.beam**-1", 1e-3),
            ("GHz", "kHz", 1e6),
            ("d", "s", 86_400.0),
            ("10**-3Jy", "Jy", 1e-3),
            ("0.1nm", "Angstrom", 1.0),
            ("W/(m**2.Hz)", "Jy", 1e26),
            ("mmag", "mag", 1e-3),
            ("kpc", "pc", 1e3),
            ("min", "s", 60.0),
            ("deg**2", "sr", DEGREE * DEGREE),
        ] {
            let found = factor(from, to).unwrap_or_else(|problem| panic!("{from} {to}: {problem}"));
            assert!(
                (found / expected - 1.0).abs() < 1e-12,
                "{from} {to}: {found}"
            );
        }
    }

    #[test]
    fn what_cannot_be_converted_is_refused() {
        for (from, to) in [
            ("deg", ""),
            ("", "deg"),
            ("deg", "foo"),
            ("deg", "kg"),
            ("mag", "dex"),
            ("m", "m)"),
            ("m", "((((((((((m))))))))))"),
            ("m", "m**"),
            ("m", "m**999"),
            ("m", "/m"),
            ("m", "kmin"),
        ] {
            assert!(factor(from, to).is_err(), "{from} {to}");
        }
    }
}
