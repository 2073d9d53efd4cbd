/// A field of a structure, or a parameter.
public struct VarlinkField: Hashable, Sendable {
    /// The member's name.
    public var name: String
    /// The comment above it, without `#`.
    public var documentation: String
    /// What its value is.
    public var type: VarlinkType
}

/// A type of the interface language.
public indirect enum VarlinkType: Hashable, Sendable {
    /// A truth value.
    case bool
    /// A whole number.
    case int
    /// A number.
    case float
    /// A text.
    case string
    /// A foreign object: any JSON object.
    case object
    /// Any JSON value.
    case any
    /// A type described in the interface.
    case named(String)
    /// `?T`: the type's values, or null, or nothing.
    case nullable(VarlinkType)
    /// `[]T`
    case array(VarlinkType)
    /// `[string]T`; `[string]()` is a set of strings.
    case dictionary(VarlinkType)
    /// `(name: T, …)`
    case structure([VarlinkField])
    /// `(one, two, …)`
    case enumeration([String])
}
