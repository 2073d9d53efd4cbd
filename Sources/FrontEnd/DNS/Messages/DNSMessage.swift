import CLDNS

/// A server's message, as libldns reads it.
public struct DNSMessage: Sendable {
    /// What a query asks, and which zone an update is for.
    public struct Question: Hashable, Sendable {
        public var name: DomainName
        public var type: RecordType

        public init(_ name: DomainName, _ type: RecordType) {
            self.name = name
            self.type = type
        }
    }

    enum Operation: UInt32 { case query = 0, update = 5 }

    public let id: UInt16
    public let code: ResponseCode
    public let isAuthoritative: Bool
    /// Whether there is more than the transport could carry.
    public let isTruncated: Bool
    public let question: Question?
    public let answers: [DNSRecord]
    public let authorities: [DNSRecord]
    let isResponse: Bool
    let operation: Operation?
    let signature: TSIGRecord?

    /// `nil` if it is no message.
    init?(_ message: [UInt8]) {
        guard MessageLayout(message) != nil else { return nil }
        var read: UnsafeMutablePointer<ldns_pkt>?
        let status = ldns_wire2pkt(&read, message, message.count)
        guard status == LDNS_STATUS_OK, let packet = read else { return nil }
        defer { ldns_pkt_free(packet) }
        id = ldns_pkt_id(packet)
        code = ResponseCode(rawValue: UInt8(truncatingIfNeeded: ldns_pkt_get_rcode(packet).rawValue))
        isAuthoritative = ldns_pkt_aa(packet)
        isTruncated = ldns_pkt_tc(packet)
        isResponse = ldns_pkt_qr(packet)
        operation = Operation(rawValue: UInt32(ldns_pkt_get_opcode(packet).rawValue))
        question = Self.question(ldns_pkt_question(packet))
        answers = Self.records(ldns_pkt_answer(packet))
        authorities = Self.records(ldns_pkt_authority(packet))
        signature = ldns_pkt_tsig(packet).flatMap { TSIGRecord(UnsafePointer($0)) }
    }

    private static func question(_ list: UnsafePointer<ldns_rr_list>?) -> Question? {
        guard let list, ldns_rr_list_rr_count(list) == 1, let first = ldns_rr_list_rr(list, 0),
            ldns_rr_get_class(first) == LDNS_RR_CLASS_IN, let name = DomainName(ldns_rr_owner(first)),
            let type = RecordType(rawValue: UInt16(truncatingIfNeeded: ldns_rr_get_type(first).rawValue))
        else { return nil }
        return Question(name, type)
    }

    private static func records(_ list: UnsafePointer<ldns_rr_list>?) -> [DNSRecord] {
        guard let list else { return [] }
        return (0..<ldns_rr_list_rr_count(list)).compactMap { index in
            ldns_rr_list_rr(list, index).flatMap { DNSRecord(UnsafePointer($0)) }
        }
    }

    /// Whether it answers this request: another id, operation or question belongs to somebody else's (RFC 5452 §9.1).
    /// An answer to an update may come without its zone (RFC 2136 §3.8).
    func answers(_ request: DNSRequest) -> Bool {
        guard isResponse, id == request.id, operation == request.operation else { return false }
        if question == request.question { return true }
        // Servers that cannot read a request, or refuse all, answer with the header alone.
        return question == nil && (operation == .update || code != .success)
    }

    /// The data of the records of one name.
    func contents(of name: DomainName) -> [DNSRecord.Content] { answers.filter { $0.name == name }.map(\.content) }
}
