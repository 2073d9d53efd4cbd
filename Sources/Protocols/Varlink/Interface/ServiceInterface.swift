extension VarlinkInterface {
    /// `org.varlink.service`, which every service has. UAPI.20, "Service interface".
    public static let service: VarlinkInterface = {
        do {
            return try VarlinkInterface(parsing: serviceText)
        } catch {
            // Never happens: a test parses this constant.
            return VarlinkInterface(unreadable: serviceText, name: "org.varlink.service")
        }
    }()

    private init(unreadable text: String, name: String) {
        self.name = name
        self.documentation = ""
        self.types = []
        self.methods = []
        self.errors = []
        self.text = text
    }

    private static let serviceText = """
        # The Varlink Service Interface is provided by every varlink service. It
        # describes the service and the interfaces it implements.
        interface org.varlink.service

        # Get a list of all the interfaces a service provides and information
        # about the implementation.
        method GetInfo() -> (
          vendor: string,
          product: string,
          version: string,
          url: string,
          interfaces: []string
        )

        # Get the description of an interface that is implemented by this service.
        method GetInterfaceDescription(interface: string) -> (description: string)

        # The requested interface was not found.
        error InterfaceNotFound (interface: string)

        # The requested method was not found
        error MethodNotFound (method: string)

        # The interface defines the requested method, but the service does not
        # implement it.
        error MethodNotImplemented (method: string)

        # One of the passed parameters is invalid.
        error InvalidParameter (parameter: string)

        # Client is denied access
        error PermissionDenied ()

        # Method is expected to be called with 'more' set to true, but wasn't
        error ExpectedMore ()

        """
}
