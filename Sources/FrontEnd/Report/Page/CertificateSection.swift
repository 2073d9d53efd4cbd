/// The certificates, those that expire first at the top, and their calendar.
struct CertificateSection: PageSection {
    static let title = "Certificates"
    static let anchor = Anchor.certificates
    static let titleAnchor = Anchor.certificatesTitle
    /// Rows of the table; what is beyond is counted.
    static let shown = 2_000
    /// Names of one certificate.
    private static let names = 12
    /// Certificates that have a line of their own in the calendar.
    static let lines = 40

    private let store: Known<StoreFacts>
    private let now: Int64

    init(_ store: Known<StoreFacts>, now: Int64) {
        self.store = store
        self.now = now
    }

    func content(_ section: inout Markup) {
        switch store {
        case .unknown(let why): section.missing("The certificates cannot be shown", why)
        case .known(let store) where store.certificates.isEmpty:
            section.element(.p) { line in
                line.text("There are none in ")
                line.element(.code, text: store.folder)
                line.text(".")
            }
        case .known(let store):
            let certificates = store.certificates.sorted { ($0.notAfter, $0.name) < ($1.notAfter, $1.name) }
            if certificates.count <= Self.lines {
                ExpiryLines(certificates, now: now).write(to: &section)
            } else {
                ExpiryCalendar(certificates, now: now).write(to: &section)
            }
            table(certificates, &section)
        }
    }

    private func table(_ certificates: [CertificateFact], _ section: inout Markup) {
        let columns = [
            Column("Certificate"), Column("State"), Column("Expires"), Column("Renewal due"), Column("Names"), Column("Key"),
            Column("Issuer"),
        ]
        let rows = certificates.prefix(Self.shown).map { certificate in
            let left = Phrase.distance(certificate.notAfter, from: now)
            let more = certificate.identifiers.count - Self.names
            return [
                Cell(certificate.name),
                certificate.needsAttention ? .marked(certificate.state, .alarm) : .word(certificate.state),
                Cell { cell in
                    cell.day(certificate.notAfter)
                    cell.element(.div, .classes(.muted), text: left)
                },
                .day(certificate.renewal),
                Cell(lines: certificate.identifiers.prefix(Self.names) + (more > 0 ? ["and \(more) more"] : [])),
                Cell(certificate.key), Cell(certificate.issuer),
            ]
        }
        section.table("All certificates, the first to expire first", columns, rows)
        section.leftOut(certificates.count - Self.shown, "certificates that expire later are not shown.")
    }
}
