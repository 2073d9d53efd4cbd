import ACME
import StrictJSON

/// A call's operation and keys, read before the members that can be long. Policy is asked about these first, so that a
/// caller without a grant causes no work that grows with the call.
public struct CallSubject: Sendable {
    public let operation: Operation
    /// The signing key's name.
    public let key: KeyName
    /// The certificate key's name in a finalization.
    public let otherKey: KeyName?
    private let parameters: JSONObject

    /// - Returns: `nil` for a method whose parameters are always quick to read.
    /// - Throws: `InvalidParameter` if a key's name is missing or invalid.
    public init?(method: String, parameters: JSONObject) throws(InvalidParameter) {
        var other: String?
        switch method {
        case "SignNewOrder": operation = .newOrder
        case "SignRevocation": operation = .revokeCertificate
        case "SignCertificateRequest": operation = .signRequest
        case "SignFinalize":
            operation = .finalize
            other = "certificateKey"
        default: return nil
        }
        let reader = ParameterReader(parameters)
        key = try reader.key("key")
        if let other { otherKey = try reader.key(other) } else { otherKey = nil }
        self.parameters = parameters
    }

    /// The URL to be signed, if there is a valid one.
    public var url: ACMEURL? { try? ParameterReader(parameters).url("url") }

    /// The identifiers as the caller wrote them, not parsed as names and addresses: their number, and the first ones,
    /// made printable.
    /// - Parameter limit: the number of identifiers returned; each has at most the 253 characters of a DNS name.
    public func identifiersAsGiven(first limit: Int) -> (count: Int, first: [String]) {
        guard let values = try? parameters.array("identifiers") else { return (0, []) }
        let first = values.prefix(limit).map { value in
            TerminalText.safe((try? value["value"]?.string()) ?? "", limit: DNSName.maximumLength)
        }
        return (values.count, first)
    }
}
