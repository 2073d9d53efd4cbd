import ACME
import CLDNS

/// The types of records that are asked for here.
public enum RecordType: UInt16, Sendable, Hashable {
    case a = 1
    case ns = 2
    case cname = 5
    case soa = 6
    case txt = 16
    case aaaa = 28
    case caa = 257
}

/// A record of an answer, with its data if the type is known here.
public struct DNSRecord: Hashable, Sendable {
    public enum Content: Hashable, Sendable {
        case address(IPAddress)
        case nameServer(DomainName)
        case alias(DomainName)
        /// The name of the primary server (RFC 1035 §3.3.13, MNAME).
        case authority(primary: DomainName)
        /// The strings joined, as dns-01 wants them (RFC 8555 §8.4).
        case text([UInt8])
        case certificationAuthority(CAARecord)
    }

    public var name: DomainName
    public var content: Content
    /// Those of a TXT record. A removal must have the same: servers compare the data as it is.
    var strings: [[UInt8]] = []

    /// `nil` if it is of another type or class, or its data is incomplete.
    init?(_ record: UnsafePointer<ldns_rr>) {
        guard ldns_rr_get_class(record) == LDNS_RR_CLASS_IN, let name = DomainName(ldns_rr_owner(record)) else { return nil }
        self.name = name
        let type = RecordType(rawValue: UInt16(truncatingIfNeeded: ldns_rr_get_type(record).rawValue))
        let count = ldns_rr_rd_count(record)
        guard let type, count > 0, let first = ldns_rr_rdf(record, 0).map({ UnsafePointer($0) }) else { return nil }
        switch type {
        case .a, .aaaa:
            let bytes = first.bytes
            guard bytes.count == (type == .a ? 4 : 16), let address = try? IPAddress(bytes: bytes) else { return nil }
            content = .address(address)
        case .ns, .cname, .soa:
            guard let target = DomainName(first) else { return nil }
            content = type == .ns ? .nameServer(target) : type == .cname ? .alias(target) : .authority(primary: target)
        case .caa:
            // Flags, a tag after its length, and the rest (RFC 8659 §4.1.1).
            guard count == 3, let flags = first.bytes.first, let tag = ldns_rr_rdf(record, 1), let value = ldns_rr_rdf(record, 2) else {
                return nil
            }
            let name = UnsafePointer(tag).bytes.dropFirst()
            guard !name.isEmpty, name.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            content = .certificationAuthority(
                CAARecord(
                    isCritical: flags & 0x80 != 0, tag: String(decoding: name, as: UTF8.self),
                    value: String(decoding: UnsafePointer(value).bytes, as: UTF8.self)))
        case .txt:
            for index in 0..<count {
                guard let string = ldns_rr_rdf(record, index) else { return nil }
                // Each string is after its length.
                strings.append(Array(UnsafePointer(string).bytes.dropFirst()))
            }
            content = .text(strings.flatMap(\.self))
        }
    }
}
