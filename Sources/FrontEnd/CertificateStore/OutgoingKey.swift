import ACME
import StrictJSON

/// A key that its certificate no longer uses. Servers may still use it until they have loaded the new certificate, so
/// it is retired or deleted only after a while.
public struct OutgoingKey: Hashable, Sendable {
    public enum Fate: String, Sendable { case retire, delete }

    /// Known by its fingerprint: another key may have its name one day.
    public var key: KeyReference
    /// The certificate whose key it was.
    public var certificate: CertificateName
    public var fate: Fate
    /// When its fate is due, Unix seconds.
    public var due: Int64

    public init(key: KeyReference, certificate: CertificateName, fate: Fate, due: Int64) {
        self.key = key
        self.certificate = certificate
        self.fate = fate
        self.due = due
    }
}

extension OutgoingKey: StoreDocument {
    static let kind = "outgoing-key"

    func write(_ writer: inout JSONWriter) {
        writer.member("key", key.name.rawValue)
        writer.member("fingerprint", key.fingerprint)
        writer.member("certificate", certificate.rawValue)
        writer.member("fate", fate.rawValue)
        writer.member("due", RFC3339.string(due))
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "key", "fingerprint", "certificate", "fate", "due"])
        guard let fate = Fate(rawValue: try object.string("fate")) else { throw JSONError(.invalidValue, offset: 0, member: "fate") }
        guard let due = RFC3339.seconds(try object.string("due")) else { throw JSONError(.invalidValue, offset: 0, member: "due") }
        self.init(
            key: KeyReference(name: try KeyName(object.string("key")), fingerprint: try object.string("fingerprint")),
            certificate: try CertificateName(object.string("certificate")), fate: fate, due: due)
    }
}
