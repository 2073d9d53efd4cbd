/// Whether anything is kept under a certificate's name.
public struct StoreTraces: Hashable, Sendable {
    public var certificate: Bool
    public var order: Bool

    public init(certificate: Bool, order: Bool) {
        self.certificate = certificate
        self.order = order
    }
}
