import ACME
import ACMEClient
import CertificateStore
import Foundation
import TestSupport
import Testing

@testable import Issuance

/// What a revocation list must be so that it counts, and what it says then (RFC 5280 §5 and §6.3).
@Suite struct RevocationListTests {
    private static let now = RevokingCA.now
    private static let url = "http://crl.example/1.crl"
    private static let serial: [UInt8] = [0x40, 1, 2, 3]

    private func subject(_ ca: RevokingCA, serial: [UInt8] = Self.serial, points: [[String]] = [[Self.url]]) throws
        -> RevocationChecks.Subject
    {
        .init(chain: try CertificateChain(der: try ca.chain(serial: serial, points: points)))
    }

    private func look(
        _ list: [UInt8], at subject: RevocationChecks.Subject, time: VirtualTime = VirtualTime()
    ) async throws -> RevocationLook {
        let looks = try await RevocationChecks(time: time) { _ in list }.looks(at: [subject])
        return try #require(looks.first)
    }

    private func list(_ change: (inout RevokingCA.List) -> Void) -> RevokingCA.List {
        var list = RevokingCA.List()
        list.entries = [.init(Self.serial, reason: 1), .init([0x50])]
        change(&list)
        return list
    }

    @Test func aRightListIsBelieved() async throws {
        let ca = RevokingCA(), subject = try subject(ca), other = try self.subject(ca, serial: [0x41])
        let seen = RenewalRecord.SeenList(number: "01", thisUpdate: Self.now - 3_600, nextUpdate: Self.now + 7 * 86_400)
        let revoked = RenewalRecord.Revocation(date: Self.now - 60, reason: .keyCompromise)
        let right = try ca.list(list { _ in })
        #expect(try await look(right, at: subject) == .revoked(revoked, seen))
        #expect(try await look(right, at: other) == .notRevoked(seen))
        // The issuing distribution point is the certificate's own.
        let own = try ca.list(list { $0.points = ["http://other.example/x", Self.url] })
        #expect(try await look(own, at: subject) == .revoked(revoked, seen))
        // A hold counts like a revocation; what was taken off it does not, and a reason that nobody knows is none.
        for (code, expected) in [(6, .certificateHold), (0, .unspecified), (99, nil)] as [(UInt8, RevocationReason?)] {
            let bytes = try ca.list(list { $0.entries = [.init(Self.serial, reason: code)] })
            #expect(try await look(bytes, at: subject) == .revoked(.init(date: Self.now - 60, reason: expected), seen))
        }
        let removed = try ca.list(list { $0.entries = [.init(Self.serial, reason: 8)] })
        #expect(try await look(removed, at: subject) == .notRevoked(seen))
        // A leading zero is part of the encoding, not of the number; the stronger reason counts.
        let high = try self.subject(ca, serial: [0x90, 1])
        let twice = try ca.list(list { $0.entries = [.init([0, 0x90, 1], reason: 4), .init([0, 0x90, 1], reason: 1)] })
        #expect(try await look(twice, at: high) == .revoked(revoked, seen))
        // No entries at all.
        #expect(try await look(try ca.list(list { $0.entries = [] }), at: subject) == .notRevoked(seen))
    }

    @Test func whatDoesNotCountSaysWhy() async throws {
        let ca = RevokingCA(), subject = try subject(ca), now = Self.now
        let strange = RevokingCA.extension([99], isCritical: true, [5, 0])
        let issuerOfEntry = RevokingCA.extension([29], isCritical: true, RevokingCA.tlv(0x30))
        let cases: [(RevocationListFault, (inout RevokingCA.List) -> Void)] = [
            (.otherIssuer, { $0.issuer = "Another CA" }),
            (.fromTheFuture(thisUpdate: now + 301), { $0.thisUpdate = now + 301 }),
            (
                .outOfDate(nextUpdate: now),
                {
                    $0.nextUpdate = now
                    $0.entries = []
                }
            ),
            (
                .withoutEnd,
                {
                    $0.nextUpdate = nil
                    $0.entries = []
                }
            ),
            (.otherDistributionPoint, { $0.points = ["http://crl.example/2.crl"] }),
            (.otherDistributionPoint, { $0.points = [] }),
            (.otherKindsOnly, { $0.pointFlags = RevokingCA.tlv(0x82, [0xFF]) }),
            (.otherKindsOnly, { $0.pointFlags = RevokingCA.tlv(0x84, [0xFF]) }),
            (.otherKindsOnly, { $0.pointFlags = RevokingCA.tlv(0x85, [0xFF]) }),
            (.isDelta, { $0.more = RevokingCA.extension([27], isCritical: true, RevokingCA.tlv(0x02, [1])) }),
            (.unknownCriticalExtension("2.5.29.99"), { $0.more = strange }),
            (.unknownCriticalExtension("2.5.29.99"), { $0.entries[1].more = strange }),
            (.unknownCriticalExtension("2.5.29.29"), { $0.entries[1].more = issuerOfEntry }),
            (.otherKey, { $0.authorityKeyIdentifier = [9] }),
            (.notReadable, { $0.version = 2 }), (.notReadable, { $0.version = nil }),
            (.notReadable, { $0.entries[1].more = [0x30, 0x00] }),
            (.notReadable, { $0.more = RevokingCA.extension([20], [0x02, 0x00]) }),
            // What nobody has signed yet must not take more memory than it is worth.
            (.notReadable, { $0.points = [Self.url] + (0..<16).map { "http://other.example/\($0)" } }),
            (.notReadable, { $0.number = [UInt8](repeating: 1, count: 21) }),
            (.unknownSignature, { $0.algorithm = [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x01] }),
        ]
        for (fault, change) in cases {
            let found = try await look(try ca.list(list(change)), at: subject)
            guard case .failed(let reason) = found else {
                Issue.record("\(found), not \(fault)")
                continue
            }
            #expect(reason == "\(Self.url): \(fault)")
        }
        // Some reasons only: what is on it is revoked, what is not may be.
        let some = try ca.list(list { $0.pointFlags = RevokingCA.tlv(0x83, [0, 0x40]) })
        guard case .revoked = try await look(some, at: subject) else { throw Failure() }
        let other = try await look(some, at: try self.subject(ca, serial: [0x41]))
        #expect(other == .failed(reason: "\(Self.url): it is for some reasons only"))
        // A little ahead is only another clock.
        guard case .revoked = try await look(try ca.list(list { $0.thisUpdate = now + 300 }), at: subject) else { throw Failure() }
    }

    private struct Failure: Error {}

    @Test func anotherKeysListDoesNotCount() async throws {
        let ca = RevokingCA(), subject = try subject(ca), other = RevokingCA()
        let forged = try ca.list(list { _ in }, signedBy: other.key)
        #expect(try await look(forged, at: subject) == .failed(reason: "\(Self.url): its signature is wrong"))
        let mute = RevokingCA(signsLists: false)
        #expect(
            try await look(try mute.list(list { _ in }), at: try self.subject(mute))
                == .failed(reason: "\(Self.url): the key of the certificate's issuer may not sign it"))
        let alone = RevocationChecks.Subject(chain: try CertificateChain(der: [subject.chain.leafDER]))
        #expect(try await look(try ca.list(list { _ in }), at: alone) == .failed(reason: "\(Self.url): its chain does not have its issuer"))
    }

    /// An old list that still counts, served again, would hide what happened since.
    @Test func aListThatGoesBackwardsDoesNotCount() async throws {
        let ca = RevokingCA(), now = Self.now
        var subject = try subject(ca)
        func look(_ number: [UInt8]?, _ thisUpdate: Int64) async throws -> Bool {
            let bytes = try ca.list(
                list {
                    $0.number = number
                    $0.thisUpdate = thisUpdate
                })
            switch try await self.look(bytes, at: subject) {
            case .revoked: return true
            case .failed(let reason):
                #expect(reason == "\(Self.url): it is older than one that was seen before")
                return false
            default: throw Failure()
            }
        }
        subject.seen = RenewalRecord.SeenList(number: "0100", thisUpdate: now - 7_200, nextUpdate: now + 86_400)
        #expect(try await look([1, 0], now - 7_200))
        #expect(try await look([1, 1], now - 3_600))
        #expect(try await look([2, 0, 0], now - 3_600))
        #expect(try await !look([0xF], now - 7_200))
        #expect(try await !look([0, 0xFF], now - 7_200))
        #expect(try await !look([1, 1], now - 7_201))
        // A CA's new software may number its lists anew: the newer one counts.
        #expect(try await look([1], now - 3_600))
        // Without a number the time decides.
        #expect(try await look(nil, now - 7_200))
        #expect(try await !look(nil, now - 7_201))
    }

    /// It says nothing of others any more; what was revoked stays so, unless it was only on hold.
    @Test(arguments: [Self.now - 60, nil] as [Int64?]) func anOldListStillRevokes(nextUpdate: Int64?) async throws {
        let ca = RevokingCA(), subject = try subject(ca)
        for (code, isRevoked) in [(1, true), (4, true), (6, false)] as [(UInt8, Bool)] {
            let bytes = try ca.list(
                list {
                    $0.nextUpdate = nextUpdate
                    $0.entries = [.init(Self.serial, reason: code)]
                })
            let found = try await look(bytes, at: subject)
            if case .revoked = found { #expect(isRevoked, "\(code)") } else { #expect(!isRevoked, "\(code): \(found)") }
        }
        // Nobody else's.
        let forged = try ca.list(list { $0.nextUpdate = nextUpdate }, signedBy: RevokingCA().key)
        #expect(try await look(forged, at: subject) == .failed(reason: "\(Self.url): its signature is wrong"))
    }

    /// No byte that is missing or changed makes it trap, or count.
    @Test func nothingThatIsNotAListTraps() throws {
        let ca = RevokingCA(), whole = try ca.list(list { $0.points = [Self.url] })
        let issuer = try #require(try subject(ca).chain.leafIssuer)
        func counts(_ bytes: [UInt8]) -> Bool {
            do throws(RevocationListFault) {
                let list = try RevocationList(der: bytes)
                _ = try? list.find([Self.serial[...]])
                try list.check(issuer: issuer, names: [Array(Self.url.utf8)], seen: nil, now: Self.now)
                return true
            } catch { return false }
        }
        #expect(counts(whole))
        for count in 0..<whole.count { #expect(!counts(Array(whole.prefix(count))), "\(count)") }
        #expect(!counts(whole + [0]))
        for index in whole.indices {
            for value in [0xFF, whole[index] ^ 1] as [UInt8] where value != whole[index] {
                var bytes = whole
                bytes[index] = value
                // The signature covers nearly all; an ECDSA signature has no second spelling.
                #expect(!counts(bytes), "byte \(index) as \(value)")
            }
        }
        let junk: [[UInt8]] = [
            [], [0x30], [0x30, 0x80, 0, 0], [0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], Array(repeating: 0x30, count: 1_000),
        ]
        for bytes in junk { #expect(!counts(bytes)) }
    }

    @Test func onlyPlacesThatCanBeAskedAreAsked() throws {
        func urls(_ value: [UInt8]) throws -> [String] { try CertificateDistributionPoints(value[...]).places(atMost: 16).map(\.url.text) }
        let points = [
            [Self.url, "ldap://x/y", "file:///etc/passwd", "HTTP://crl.example/2"], ["https://crl.example/3", Self.url],
            ["http://user@crl.example/4", "http://crl.example/../5", "http://crl.example", "http:///6", "http://127.1/7"],
        ]
        #expect(try urls(RevokingCA.distributionPoints(points)) == [Self.url, "HTTP://crl.example/2", "https://crl.example/3"])
        // Lists of others, for some reasons, or with a name relative to the issuer's are not asked.
        let name = RevokingCA.tlv(0xA0, RevokingCA.tlv(0xA0, RevokingCA.tlv(0x86, Array(Self.url.utf8))))
        let indirect = RevokingCA.tlv(0x30, name, RevokingCA.tlv(0xA2, RevokingCA.tlv(0x86, [0x41])))
        let some = RevokingCA.tlv(0x30, name, RevokingCA.tlv(0x81, [0, 0x40]))
        let relative = RevokingCA.tlv(0x30, RevokingCA.tlv(0xA0, RevokingCA.tlv(0xA1)))
        #expect(try urls(RevokingCA.tlv(0x30, indirect, some, relative)).isEmpty)
        #expect(throws: DERCursor.Fault.self) { try urls([0x30, 0x02, 0x30, 0x01]) }
    }

    @Test func aListIsFetchedOnceForAllThatNameIt() async throws {
        let ca = RevokingCA(), one = "http://a.example/1", two = "http://b.example/2", log = Log()
        let subjects = try [[[one]], [[one]], [[two, one]], [[two]], nil].enumerated().map { index, points in
            RevocationChecks.Subject(chain: try CertificateChain(der: try ca.chain(serial: [0x40, UInt8(index)], points: points)))
        }
        let list = try ca.list(list { $0.entries = [.init([0x40, 1]), .init([0x40, 2])] })
        let checks = RevocationChecks(time: VirtualTime()) { url in
            log.add(url.text)
            guard url.text == one else { throw RevocationListDownloadError(host: url.host, isUnreachable: true, reason: "no answer") }
            return list
        }
        let looks = try await checks.looks(at: subjects)
        let isRevoked = looks.map { if case .revoked = $0 { true } else { false } }
        #expect(isRevoked == [false, true, true, false, false])
        #expect(looks[3] == .failed(reason: "b.example: no answer") && looks[4] == .none)
        // Twice the first list, for those who name another one too; the silent host once.
        #expect(log.lines.sorted() == [one, one, two])
    }

    @Test func thereIsAnEndToAsking() async throws {
        let ca = RevokingCA(), time = VirtualTime()
        let subjects = try (0..<8).map { index in try subject(ca, serial: [0x40, UInt8(index)], points: [["http://a.example/\(index)"]]) }
        let checks = RevocationChecks(time: time, patience: .seconds(45)) { url in
            try await time.sleep(for: .seconds(20))
            throw RevocationListDownloadError(host: url.host, reason: "HTTP status 500")
        }
        let looks = try await checks.looks(at: subjects)
        let postponed = looks.filter { $0 == .postponed }.count
        #expect(postponed >= 3 && postponed < 8, "\(looks)")
        #expect(time.uptime() <= .seconds(100))
    }

    private final class Log: @unchecked Sendable {
        private let lock = NSLock()
        private var all: [String] = []
        func add(_ line: String) { lock.withLock { all.append(line) } }
        var lines: [String] { lock.withLock { all } }
    }
}
