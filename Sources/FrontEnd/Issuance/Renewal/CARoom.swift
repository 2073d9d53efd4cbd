import ACME
import CertificateStore

/// What a CA's limits leave, as far as this store's orders count towards them. Pure.
public struct CARoom: Sendable {
    /// What is limited.
    public enum Limit: String, Sendable {
        case orders
        /// Certificates for exactly the same names.
        case identicalCertificates = "identical-certificates"
        /// Failed validations of one name.
        case failedValidations = "failed-validations"
    }

    /// There is no room.
    public struct Full: Sendable, Hashable {
        public var limit: Limit
        /// When there is room again, Unix seconds; `nil` if there never is.
        public var until: Int64?
    }

    private let limits: CALimits
    private let count: OrderCount
    private var orders: OrderRoom?
    /// By names; those that were asked for.
    private var certificates: [String: OrderRoom] = [:]

    /// - Parameter count: what counts so far.
    public init(_ limits: CALimits, _ count: OrderCount, now: Int64) {
        self.limits = limits
        self.count = count
        orders = limits.orders.map { OrderRoom(limit: $0.count, in: $0.seconds, times: count.times, now: now) }
    }

    /// Takes the room for one order, if there is some.
    /// - Parameter identifiers: its names; empty if they are not known.
    public mutating func take(_ identifiers: [Identifier], now: Int64) -> Full? {
        if let orders, orders.orders == 0 { return Full(limit: .orders, until: orders.next) }
        if let limit = limits.failedValidations {
            let rooms = identifiers.map { name in
                OrderRoom(
                    limit: limit.count, in: limit.seconds, times: count.failures.filter { $0.id == name.value }.map(\.time), now: now)
            }.filter { $0.orders == 0 }
            if !rooms.isEmpty { return Full(limit: .failedValidations, until: rooms.compactMap(\.next).max()) }
        }
        if let limit = limits.identicalCertificates, !identifiers.isEmpty {
            let id = OrderCount.id(of: identifiers)
            var room =
                certificates[id]
                ?? OrderRoom(
                    limit: limit.count, in: limit.seconds, times: count.certificates.filter { $0.id == id }.map(\.time), now: now)
            guard room.orders > 0 else { return Full(limit: .identicalCertificates, until: room.next) }
            room.take(now)
            certificates[id] = room
        }
        orders?.take(now)
        return nil
    }
}

/// A CA's limit of orders, and those that count towards it.
struct OrderRoom: Sendable, Hashable {
    private let limit: Int
    private let seconds: Int64
    /// Within the span, oldest first.
    private var recent: [Int64]

    /// - Parameters:
    ///   - limit: orders in `seconds`.
    ///   - times: when each was placed, oldest first.
    init(limit: Int, in seconds: Int64, times: [Int64], now: Int64) {
        self.limit = limit
        self.seconds = seconds
        // A time in the future is of a clock that was wrong.
        recent = times.filter { $0 > now &- seconds && $0 <= now }
    }

    /// How many orders may be placed now.
    var orders: Int { max(0, limit - recent.count) }

    /// When there is room again, Unix seconds; `nil` if there is, or never is.
    var next: Int64? {
        // The oldest one that has to leave the span.
        let leaving = recent.count - limit
        return leaving >= 0 && leaving < recent.count ? recent[leaving] &+ seconds : nil
    }

    /// One of them is placed.
    mutating func take(_ now: Int64) { recent.append(now) }
}
