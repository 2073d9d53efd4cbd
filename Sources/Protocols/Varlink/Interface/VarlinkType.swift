/// A field of a structure, or a parameter.
public struct VarlinkField: Hashable, Sendable {
    public var name: String
    public var documentation: String
    public var type: VarlinkType
}

/// A type of the interface language.
public indirect enum VarlinkType: Hashable, Sendable {
    case bool, int, float, string
    /// A foreign object: any JSON object.
    case object
    /// Any JSON value.
    case any
    /// A type described in the interface.
    case named(String)
    case nullable(VarlinkType)
    case array(VarlinkType)
    /// `[string]T`; `[string]()` is a set of strings.
    case dictionary(VarlinkType)
    case structure([VarlinkField])
    case enumeration([String])
}
