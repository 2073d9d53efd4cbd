import CLDNS
import Glibc

/// A request to a server: a query, or an update of one TXT record (RFC 2136).
struct DNSRequest: Sendable {
    /// What happens to the record.
    enum Change: Sendable { case add(ttl: UInt32), remove }

    /// What fits into a datagram everywhere (RFC 9715 §3).
    static let datagramLimit: UInt16 = 1232

    let id: UInt16
    let operation: DNSMessage.Operation
    let question: DNSMessage.Question
    let bytes: [UInt8]

    /// A query.
    /// - Parameter isRecursive: whether the server shall ask others, as a resolver does.
    init(_ question: DNSMessage.Question, isRecursive: Bool) throws(DNSError) {
        id = UInt16.random(in: .min ... .max)
        operation = .query
        self.question = question
        bytes = try Self.compose(id, .query, question) { packet in
            ldns_pkt_set_rd(packet, isRecursive)
            ldns_pkt_set_edns_udp_size(packet, Self.datagramLimit)
            return true
        }
    }

    /// An update of the TXT record with that value, in strings of 255 bytes.
    init(zone: DomainName, _ change: Change, _ name: DomainName, text: [UInt8]) throws(DNSError) {
        try self.init(zone: zone, change, name, strings: Self.strings(text))
    }

    /// An update of a TXT record with exactly these strings; other records stay (RFC 2136 §2.5.1 and §2.5.4).
    init(zone: DomainName, _ change: Change, _ name: DomainName, strings: [[UInt8]]) throws(DNSError) {
        id = UInt16.random(in: .min ... .max)
        operation = .update
        question = DNSMessage.Question(zone, .soa)
        bytes = try Self.compose(id, .update, question) { packet in
            let record = ldns_rr_new()
            guard let record, Self.fill(record, change, name, strings) else {
                ldns_rr_free(record)
                return false
            }
            guard ldns_pkt_push_rr(packet, LDNS_SECTION_AUTHORITY, record) else {
                ldns_rr_free(record)
                return false
            }
            return true
        }
    }

    /// A string has at most 255 bytes (RFC 1035 §3.3).
    static func strings(_ text: [UInt8]) -> [[UInt8]] {
        guard !text.isEmpty else { return [[]] }
        return stride(from: 0, to: text.count, by: 255).map { Array(text[$0..<min($0 + 255, text.count)]) }
    }

    private static func fill(
        _ record: UnsafeMutablePointer<ldns_rr>, _ change: Change, _ name: DomainName, _ strings: [[UInt8]]
    ) -> Bool {
        guard let owner = data(LDNS_RDF_TYPE_DNAME, name.wire) else { return false }
        ldns_rr_set_owner(record, owner)
        ldns_rr_set_type(record, LDNS_RR_TYPE_TXT)
        switch change {
        case .add(let ttl):
            ldns_rr_set_class(record, LDNS_RR_CLASS_IN)
            ldns_rr_set_ttl(record, ttl)
        case .remove:
            ldns_rr_set_class(record, LDNS_RR_CLASS_NONE)
            ldns_rr_set_ttl(record, 0)
        }
        for part in strings {
            guard let length = UInt8(exactly: part.count), let string = data(LDNS_RDF_TYPE_STR, [length] + part) else { return false }
            guard ldns_rr_push_rdf(record, string) else {
                ldns_rdf_deep_free(string)
                return false
            }
        }
        return true
    }

    private static func data(_ type: ldns_rdf_type, _ bytes: [UInt8]) -> UnsafeMutablePointer<ldns_rdf>? {
        ldns_rdf_new_frm_data(type, bytes.count, bytes)
    }

    /// Makes a message with libldns.
    /// - Parameter complete: adds what the operation needs.
    private static func compose(
        _ id: UInt16, _ operation: DNSMessage.Operation, _ question: DNSMessage.Question,
        _ complete: (UnsafeMutablePointer<ldns_pkt>) -> Bool
    ) throws(DNSError) -> [UInt8] {
        guard let packet = ldns_pkt_new() else { throw .outOfMemory }
        defer { ldns_pkt_free(packet) }
        ldns_pkt_set_id(packet, id)
        ldns_pkt_set_opcode(packet, ldns_pkt_opcode(rawValue: operation.rawValue))
        guard let asked = ldns_rr_new() else { throw .outOfMemory }
        ldns_rr_set_question(asked, true)
        ldns_rr_set_type(asked, ldns_rr_type(rawValue: UInt32(question.type.rawValue)))
        ldns_rr_set_class(asked, LDNS_RR_CLASS_IN)
        ldns_rr_set_owner(asked, data(LDNS_RDF_TYPE_DNAME, question.name.wire))
        guard ldns_pkt_push_rr(packet, LDNS_SECTION_QUESTION, asked) else {
            ldns_rr_free(asked)
            throw .outOfMemory
        }
        var written: UnsafeMutablePointer<UInt8>?
        var size = 0
        guard complete(packet), ldns_pkt2wire(&written, packet, &size) == LDNS_STATUS_OK, let written else { throw .outOfMemory }
        defer { free(written) }
        return Array(UnsafeBufferPointer(start: written, count: size))
    }
}
