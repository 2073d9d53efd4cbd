/// When a certificate is due whose CA does not say when it wants it to be renewed: after two thirds of its lifetime, or
/// after half if the lifetime is below ten days. 6-day certificates are normal, and a failed attempt needs time for the
/// next. Pure.
public struct RenewalRule: Sendable {
    /// The lifetime in seconds below which a certificate is due after half of it.
    public static let shortLifetime: Int64 = 10 * 86_400

    /// First and last second of validity, Unix time.
    public var notBefore: Int64
    public var notAfter: Int64

    public init(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// The moment from which it is due, Unix time.
    public var due: Int64 {
        let (lifetime, overflow) = notAfter.subtractingReportingOverflow(notBefore)
        // A certificate whose lifetime is negative or overflows is due now.
        guard !overflow, lifetime > 0 else { return notBefore }
        let share = lifetime < Self.shortLifetime ? lifetime / 2 : lifetime - lifetime / 3
        let (moment, isBeyond) = notBefore.addingReportingOverflow(share)
        return isBeyond ? notAfter : moment
    }

    /// - Parameter now: Unix seconds.
    public func isDue(_ now: Int64) -> Bool { now >= due }
}
