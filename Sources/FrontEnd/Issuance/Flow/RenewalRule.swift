/// When a certificate is due where the CA gives no renewal information: at two thirds of its lifetime, at half of it where that is below
/// ten days, since 6-day certificates are normal and a failed attempt needs time for the next. Pure.
public struct RenewalRule: Sendable {
    /// Seconds of a lifetime below which half of it is waited for.
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
        // A certificate that ends before it begins, or lives longer than time, is due now.
        guard !overflow, lifetime > 0 else { return notBefore }
        let share = lifetime < Self.shortLifetime ? lifetime / 2 : lifetime - lifetime / 3
        let (moment, isBeyond) = notBefore.addingReportingOverflow(share)
        return isBeyond ? notAfter : moment
    }

    /// - Parameter now: Unix seconds.
    public func isDue(_ now: Int64) -> Bool { now >= due }
}
