import ACME
import CertificateStore

/// When a certificate is renewed: by its CA's window if that is known (RFC 9773), else by its lifetime alone. Pure.
public struct RenewalTiming: Sendable {
    /// The limits within which a CA decides when it is asked again (RFC 9773 §4.3.2), in seconds.
    public static let lookRange: ClosedRange<Int64> = 60...86_400
    /// If the CA does not say. RFC 9773 §4.3.2 suggests six hours.
    public static let usualLook: Int64 = 6 * 3_600

    private let rule: RenewalRule

    /// - Parameters: first and last second of validity, Unix time.
    public init(notBefore: Int64, notAfter: Int64) { rule = RenewalRule(notBefore: notBefore, notAfter: notAfter) }

    /// The moment by which it is renewed, whatever the CA says: half of the time from the fallback to the end of validity
    /// is left for attempts that fail.
    public var latest: Int64 {
        let (left, overflow) = rule.notAfter.subtractingReportingOverflow(rule.due)
        guard !overflow, left > 0 else { return rule.due }
        return rule.due + left / 2
    }

    /// The moment from which it is due, Unix seconds.
    /// - Parameter window: the CA's, for this certificate.
    public func due(_ window: RenewalRecord.Window?) -> Int64 { window.map { min($0.moment, latest) } ?? rule.due }

    /// The CA's answer as a window. The moment in it is chosen uniformly at random, and kept while the window stays the
    /// same (RFC 9773 §4.2).
    /// - Parameter random: a number of a range, every one as likely as the others.
    public static func window(
        _ information: RenewalInformation, after earlier: RenewalRecord.Window?, random: (Range<Int64>) -> Int64
    ) -> RenewalRecord.Window {
        if let earlier, earlier.start == information.start, earlier.end == information.end {
            var kept = earlier
            kept.explanationURL = information.explanationURL
            return kept
        }
        // An empty window counts as missing before it gets here.
        let moment = information.start < information.end ? random(information.start..<information.end) : information.start
        return RenewalRecord.Window(
            start: information.start, end: information.end, moment: moment, explanationURL: information.explanationURL)
    }

    /// When the CA is asked again.
    /// - Parameter retryAfter: seconds, as the CA says it.
    public static func nextLook(_ now: Int64, retryAfter: Int64?) -> Int64 {
        now &+ min(max(retryAfter ?? usualLook, lookRange.lowerBound), lookRange.upperBound)
    }

    /// The same after the CA could not be asked.
    /// - Parameter count: how often in a row.
    public static func nextLook(_ now: Int64, afterFailures count: Int) -> Int64 {
        now &+ min(600 << Int64(min(max(count, 1), 9) - 1), lookRange.upperBound)
    }

    /// The limits within which a revocation list is looked at again, in seconds.
    public static let listLookRange: ClosedRange<Int64> = 3_600...86_400

    /// When a revocation list is looked at again: after half of the time until its CA replaces it at the latest.
    /// - Parameter nextUpdate: of the list, Unix seconds.
    public static func nextListLook(_ now: Int64, nextUpdate: Int64) -> Int64 {
        now &+ min(max((nextUpdate &- now) / 2, listLookRange.lowerBound), listLookRange.upperBound)
    }
}

/// How long a failed renewal waits for the next attempt. Pure.
public enum RenewalBackoff {
    /// Seconds after the first failure. Let's Encrypt allows five failed validations of a name in an hour.
    static let first: Int64 = 900
    /// Seconds at most.
    static let longest: Int64 = 86_400
    /// A CA that asks for a longer wait is not asked for longer either, up to this many seconds.
    static let longestAsked: Int64 = 7 * 86_400

    /// Seconds to wait.
    /// - Parameters:
    ///   - count: failures in a row, this one included.
    ///   - left: seconds until the certificate expires. Near the end it is tried more often.
    ///   - retryAfter: seconds that the CA asked to wait; never tried before that.
    ///   - random: a number of a range. The wait varies by a fifth, so that many certificates that failed together do
    ///     not come back together.
    public static func wait(count: Int, left: Int64, retryAfter: Int64?, random: (Range<Int64>) -> Int64) -> Int64 {
        var wait = min(first << Int64(min(max(count, 1), 8) - 1), longest)
        if left > 0 { wait = min(wait, max(first, left / 8)) }
        wait += random(-wait / 5..<wait / 5)
        if let retryAfter { wait = max(wait, min(retryAfter, longestAsked)) }
        return wait
    }

    /// Seconds after the first failure of a deploy hook, and at most: no CA is asked, and servers use the old certificate.
    static let firstDeployment: Int64 = 300
    static let longestDeployment: Int64 = 3_600

    /// The same after a deploy hook failed.
    public static func deploymentWait(count: Int, random: (Range<Int64>) -> Int64) -> Int64 {
        let wait = min(firstDeployment << Int64(min(max(count, 1), 5) - 1), longestDeployment)
        return wait + random(-wait / 5..<wait / 5)
    }
}
