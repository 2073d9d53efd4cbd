import ACME
import StrictJSON

/// A certificate key that its user reported as compromised: no certificate is ordered for it again, whether or not the
/// agent could retire it. It is known by its fingerprint: another key may have its name one day.
public struct CompromisedKey: Hashable, Sendable {
    public var key: KeyReference
    /// When it was reported, Unix seconds.
    public var reported: Int64

    public init(key: KeyReference, reported: Int64) {
        self.key = key
        self.reported = reported
    }
}

extension CompromisedKey: StoreDocument {
    static let kind = "compromised-key"

    func write(_ writer: inout JSONWriter) {
        writer.member("key", key.name.rawValue)
        writer.member("fingerprint", key.fingerprint)
        writer.member("reported", RFC3339.string(reported))
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "key", "fingerprint", "reported"])
        guard let reported = RFC3339.seconds(try object.string("reported")) else {
            throw JSONError(.invalidValue, offset: 0, member: "reported")
        }
        self.init(
            key: KeyReference(name: try KeyName(object.string("key")), fingerprint: try object.string("fingerprint")), reported: reported)
    }
}
