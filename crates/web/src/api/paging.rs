//! Pages of long lists, as JupyterHub's clients ask for them.

use axum::http::header::ACCEPT;
use jansky_hub::HubError;
use serde_json::{Value, json};

use crate::visit::Visit;

/// The content type with which a caller asks for pages where a bare list is the usual answer.
const PAGINATION: &str = "application/jupyterhub-pagination+json";

/// The largest page.
const LARGEST_PAGE: u32 = 200;

/// The page that a caller gets who asks for pages and no size.
pub(crate) const USUAL_PAGE: u32 = 50;

/// Whether the caller asked for pages where a bare list is the usual answer.
fn wants_pages(visit: &Visit) -> bool {
    let accept = visit.headers.get(ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.split(',').any(|e| e.trim() == PAGINATION))
}

/// The part of a list that a caller wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// How many to pass over.
    pub(crate) offset: u32,
    /// How many to show.
    pub(crate) limit: u32,
}

impl Page {
    /// Reads `offset` and `limit`; `usual` is the size for a caller who names none.
    pub(crate) fn read(visit: &Visit, usual: u32) -> Result<Self, HubError> {
        let number = |name: &str, usual: u32| match visit.query(name) {
            None => Ok(usual),
            Some(text) => text.trim_start_matches('-').parse::<u32>().map_err(|_| {
                HubError::invalid("Invalid argument type, offset and limit must be integers")
            }),
        };
        Ok(Self {
            offset: number("offset", 0)?,
            limit: number("limit", usual)?.clamp(1, LARGEST_PAGE),
        })
    }

    /// Reads it for a list that is bare unless the caller asked for pages.
    pub(crate) fn of_list(visit: &Visit) -> Result<Self, HubError> {
        let usual = if wants_pages(visit) {
            USUAL_PAGE
        } else {
            LARGEST_PAGE
        };
        Self::read(visit, usual)
    }

    /// The answer with the items of this page out of `total`; a bare list unless the caller asked for
    /// pages.
    pub(crate) fn list(self, visit: &Visit, items: Vec<Value>, total: u64) -> Value {
        if wants_pages(visit) {
            self.answer(visit, &items, total)
        } else {
            Value::Array(items)
        }
    }

    /// The answer with the items of this page out of `total`.
    pub(crate) fn answer(self, visit: &Visit, items: &[Value], total: u64) -> Value {
        let Self { offset, limit } = self;
        let after = u64::from(offset) + u64::from(limit);
        let next = (after < total).then(
            || json!({ "offset": after, "limit": limit, "url": page_url(visit, after, limit) }),
        );
        let pagination = json!({ "offset": offset, "limit": limit, "total": total, "next": next });
        json!({ "items": items, "_pagination": pagination })
    }
}

/// The address of another page, built from this request's own, because clients follow it verbatim
/// over whatever way they came.
fn page_url(visit: &Visit, offset: u64, limit: u32) -> String {
    let mut url = visit.request_origin();
    url.set_path(visit.uri.path());
    {
        let mut query = url.query_pairs_mut();
        query.clear();
        for (key, value) in visit.query_pairs() {
            if key != "offset" && key != "limit" {
                query.append_pair(&key, &value);
            }
        }
        query.append_pair("offset", &offset.to_string());
        query.append_pair("limit", &limit.to_string());
    }
    url.into()
}
