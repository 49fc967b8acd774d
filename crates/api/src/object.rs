//! The form every API object has: absent stays absent, `null` reads as absent, unknown fields survive.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default, as Go's decoder does.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Says whether a field is left out: its value is what reading without it gives.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Defines API structs: camelCase names, every field optional on reading, defaults left out on
/// writing, unknown fields kept in `extra`. Fields in the leading `required { … }` block are
/// always written and required by the CRD. `no_schema` leaves out the CRD schema.
macro_rules! object {
    ($(#[$meta:meta])* no_schema $name:ident { required { $($required:tt)* } $($fields:tt)* }) => {
        object!(@define [$(#[$meta])*] [] $name { $($required)* } { $($fields)* });
    };
    ($(#[$meta:meta])* no_schema $name:ident { $($fields:tt)* }) => {
        object!(@define [$(#[$meta])*] [] $name {} { $($fields)* });
    };
    ($(#[$meta:meta])* $name:ident { required { $($required:tt)* } $($fields:tt)* }) => {
        object!(@define [$(#[$meta])* #[derive(schemars::JsonSchema)]] [#[schemars(extend("x-required" = true))]]
            $name { $($required)* } { $($fields)* });
    };
    ($(#[$meta:meta])* $name:ident { $($fields:tt)* }) => {
        object!(@define [$(#[$meta])* #[derive(schemars::JsonSchema)]] [#[schemars(extend("x-required" = true))]]
            $name {} { $($fields)* });
    };
    (@define [$($meta:tt)*] $required_attribute:tt $name:ident
        { $( $(#[$required_meta:meta])* $required:ident: $required_type:ty, )* }
        { $( $(#[$field_meta:meta])* $field:ident: $field_type:ty, )* }
    ) => {
        object!(@struct [$($meta)*] $name
            { $( [$(#[$required_meta])*] $required_attribute $required: $required_type, )* }
            { $( $(#[$field_meta])* $field: $field_type, )* });
    };
    (@struct [$($meta:tt)*] $name:ident
        { $( [$($required_meta:tt)*] [$($required_attribute:tt)*] $required:ident: $required_type:ty, )* }
        { $( $(#[$field_meta:meta])* $field:ident: $field_type:ty, )* }
    ) => {
        $($meta)*
        #[derive(Clone, PartialEq, Default, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $(
                $($required_meta)*
                $($required_attribute)*
                #[serde(default, deserialize_with = "crate::object::null_as_default")]
                pub $required: $required_type,
            )*
            $(
                $(#[$field_meta])*
                #[serde(
                    default,
                    deserialize_with = "crate::object::null_as_default",
                    skip_serializing_if = "crate::object::is_default"
                )]
                pub $field: $field_type,
            )*
            /// Fields these types do not know.
            #[serde(flatten)]
            pub extra: crate::extra::Extra,
        }
    };
}
pub(crate) use object;
