/// An interface, from its description. UAPI.20, "Interface definition".
public struct VarlinkInterface: Hashable, Sendable {
    /// A method with its input and output parameters.
    public struct Method: Hashable, Sendable {
        /// The name within the interface.
        public var name: String
        /// The comment above it, without `#`.
        public var documentation: String
        /// What a call has.
        public var parameters: [VarlinkField]
        /// What a reply has.
        public var reply: [VarlinkField]
    }

    /// A named type.
    public struct NamedType: Hashable, Sendable {
        /// The name within the interface.
        public var name: String
        /// The comment above it, without `#`.
        public var documentation: String
        /// `.structure` or `.enumeration`.
        public var type: VarlinkType
    }

    /// An error and its parameters.
    public struct ErrorDescription: Hashable, Sendable {
        /// The name within the interface.
        public var name: String
        /// The comment above it, without `#`.
        public var documentation: String
        /// What the error has.
        public var parameters: [VarlinkField]
    }

    /// The interface's full name.
    public let name: String
    /// The comment at the top.
    public let documentation: String
    /// The named types, in the order of the text.
    public let types: [NamedType]
    /// The methods, in the order of the text.
    public let methods: [Method]
    /// The errors, in the order of the text.
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

    /// The method of that name within the interface.
    public func method(named name: String) -> Method? { methods.first { $0.name.utf8.elementsEqual(name.utf8) } }
    /// The type of that name within the interface.
    public func type(named name: String) -> NamedType? { types.first { $0.name.utf8.elementsEqual(name.utf8) } }
    /// The error of that name within the interface.
    public func error(named name: String) -> ErrorDescription? { errors.first { $0.name.utf8.elementsEqual(name.utf8) } }
}
