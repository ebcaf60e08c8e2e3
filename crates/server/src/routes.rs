//! Routes whose handlers cannot leave out who they are for.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodFilter};

use crate::app::App;
use crate::principal::{Policy, Principal};

/// One documented route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub policy: Policy,
}

/// A handler whose first argument is a principal. `T` is what axum makes of its arguments.
pub(crate) trait ForPrincipal {
    const POLICY: Policy;
}

macro_rules! first_argument_is_the_principal {
    ($($rest:ident),*) => {
        impl<M, P: Principal, $($rest),*> ForPrincipal for (M, P, $($rest),*) {
            const POLICY: Policy = P::POLICY;
        }
    };
}

first_argument_is_the_principal!();
first_argument_is_the_principal!(A);
first_argument_is_the_principal!(A, B);
first_argument_is_the_principal!(A, B, C);
first_argument_is_the_principal!(A, B, C, D);

/// A router, and the table of what is in it.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) router: Router<App>,
    pub(crate) table: Vec<Route>,
}

impl Routes {
    pub(crate) fn get<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: ForPrincipal + 'static,
    {
        self.on(Method::GET, MethodFilter::GET, path, handler)
    }

    pub(crate) fn post<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: ForPrincipal + 'static,
    {
        self.on(Method::POST, MethodFilter::POST, path, handler)
    }

    pub(crate) fn patch<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: ForPrincipal + 'static,
    {
        self.on(Method::PATCH, MethodFilter::PATCH, path, handler)
    }

    pub(crate) fn delete<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: ForPrincipal + 'static,
    {
        self.on(Method::DELETE, MethodFilter::DELETE, path, handler)
    }

    /// Routes every method. Those that the handler may take stand in the table.
    pub(crate) fn any<H, T>(mut self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: ForPrincipal + 'static,
    {
        let query = Method::from_bytes(b"QUERY").expect("it is a token");
        let methods = [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            query,
        ];
        self.table.extend(methods.map(|method| Route {
            method,
            path,
            policy: T::POLICY,
        }));
        Self {
            router: self.router.route(path, routing::any(handler)),
            table: self.table,
        }
    }

    /// Routes every method to a handler that takes these alone.
    pub(crate) fn taking<H, T>(
        mut self,
        methods: impl IntoIterator<Item = Method>,
        path: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: ForPrincipal + 'static,
    {
        self.table.extend(methods.into_iter().map(|method| Route {
            method,
            path,
            policy: T::POLICY,
        }));
        Self {
            router: self.router.route(path, routing::any(handler)),
            table: self.table,
        }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.table.extend(other.table);
        Self {
            router: self.router.merge(other.router),
            table: self.table,
        }
    }

    fn on<H, T>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: ForPrincipal + 'static,
    {
        self.table.push(Route {
            method,
            path,
            policy: T::POLICY,
        });
        Self {
            router: self.router.route(path, routing::on(filter, handler)),
            table: self.table,
        }
    }
}
