import StrictJSON

/// A Varlink error: its full name, `org.example.Interface.Error`, and its parameters.
///
/// A service sends it; a client throws the one it received.
public struct VarlinkError: Error, Sendable, CustomStringConvertible {
    /// The full name.
    public let name: String
    /// The parameters; empty if there are none.
    public let parameters: JSONObject

    /// An error with parameters that are read already.
    public init(name: String, parameters: JSONObject = .empty) {
        self.name = name
        self.parameters = parameters
    }

    /// An error whose parameters are written by a closure, as the members of one object.
    public init(name: String, _ members: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        writer.beginObject()
        members(&writer)
        writer.endObject()
        let object = try? JSONDocument(parsing: writer.bytes, limits: JSONLimits(depth: 64, allowsNUL: true)).root.object()
        self.init(name: name, parameters: object ?? .empty)
    }

    /// The parameter that the standard errors carry (`parameter`, `method` or `interface`), if present.
    public var subject: String? {
        for member in ["parameter", "method", "interface"] {
            if let value = try? parameters.optionalString(member) { return value }
        }
        return nil
    }

    public var description: String {
        guard parameters.count > 0 else { return name }
        return name + " " + String(decoding: parameters.source, as: UTF8.self)
    }
}

/// The errors of `org.varlink.service`, which every service shares.
extension VarlinkError {
    /// Full names of the errors that every service shares.
    public enum Standard {
        /// The service has no such interface.
        public static let interfaceNotFound = "org.varlink.service.InterfaceNotFound"
        /// The interface has no such method.
        public static let methodNotFound = "org.varlink.service.MethodNotFound"
        /// The interface describes the method, but this service does not implement it.
        public static let methodNotImplemented = "org.varlink.service.MethodNotImplemented"
        /// A parameter is missing, unknown, of the wrong type or out of range.
        public static let invalidParameter = "org.varlink.service.InvalidParameter"
        /// The peer may not call the method.
        public static let permissionDenied = "org.varlink.service.PermissionDenied"
        /// The method returns several replies, but the call did not set `more`.
        public static let expectedMore = "org.varlink.service.ExpectedMore"
    }

    /// The service has no such interface.
    public static func interfaceNotFound(_ interface: String) -> VarlinkError {
        VarlinkError(name: Standard.interfaceNotFound) { $0.member("interface", interface) }
    }

    /// The interface has no such method; the error carries the full name.
    public static func methodNotFound(_ method: String) -> VarlinkError {
        VarlinkError(name: Standard.methodNotFound) { $0.member("method", method) }
    }

    /// The interface describes the method, but this service does not implement it.
    public static func methodNotImplemented(_ method: String) -> VarlinkError {
        VarlinkError(name: Standard.methodNotImplemented) { $0.member("method", method) }
    }

    /// The parameter with that name is missing, unknown, of the wrong type or out of range.
    public static func invalidParameter(_ parameter: String) -> VarlinkError {
        VarlinkError(name: Standard.invalidParameter) { $0.member("parameter", parameter) }
    }

    /// The peer may not call the method.
    public static var permissionDenied: VarlinkError { VarlinkError(name: Standard.permissionDenied) }

    /// The method returns several replies, but the call did not set `more`.
    public static var expectedMore: VarlinkError { VarlinkError(name: Standard.expectedMore) }

    /// The answer to unreadable parameters: InvalidParameter with the member at fault.
    public static func invalidParameter(_ error: JSONError) -> VarlinkError { invalidParameter(error.member ?? "parameters") }
}
