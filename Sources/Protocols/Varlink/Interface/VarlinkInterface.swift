/// An interface, from its description. UAPI.20, "Interface definition".
public struct VarlinkInterface: Hashable, Sendable {
    /// A method with its input and output parameters.
    public struct Method: Hashable, Sendable {
        public var name: String
        /// The comment above it, without `#`.
        public var documentation: String
        public var parameters: [VarlinkField]
        public var reply: [VarlinkField]
    }

    /// A named type.
    public struct NamedType: Hashable, Sendable {
        public var name: String
        public var documentation: String
        /// `.structure` or `.enumeration`.
        public var type: VarlinkType
    }

    /// An error and its parameters.
    public struct ErrorDescription: Hashable, Sendable {
        public var name: String
        public var documentation: String
        public var parameters: [VarlinkField]
    }

    /// The interface's full name.
    public let name: String
    /// The comment at the top.
    public let documentation: String
    public let types: [NamedType]
    public let methods: [Method]
    public let errors: [ErrorDescription]
    /// The text it was parsed from, which GetInterfaceDescription returns.
    public let text: String

    /// Parses a description.
    /// - Throws: ``VarlinkInterfaceError`` with the line of the first fault: syntax, two members or fields with the
    ///   same name, an undescribed type.
    public init(parsing text: String) throws(VarlinkInterfaceError) {
        var parser = VarlinkInterfaceParser(text)
        try parser.parse()
        try parser.checkReferences()
        self.name = parser.name
        self.documentation = parser.documentation
        self.types = parser.types
        self.methods = parser.methods
        self.errors = parser.errors
        self.text = text
    }

    public func method(named name: String) -> Method? { methods.first { $0.name.utf8.elementsEqual(name.utf8) } }
    public func type(named name: String) -> NamedType? { types.first { $0.name.utf8.elementsEqual(name.utf8) } }
    public func error(named name: String) -> ErrorDescription? { errors.first { $0.name.utf8.elementsEqual(name.utf8) } }
}
