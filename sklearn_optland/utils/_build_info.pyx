"""What the compiler was told, as ``sklearn_optland.show_versions()`` prints it."""

cdef extern from *:
    """
    static const char *optland_switches = ""
    #ifdef OPTLAND_BOUNDSCHECK
        " OPTLAND_BOUNDSCHECK"
    #endif
    #ifdef OPTLAND_LINETRACE
        " OPTLAND_LINETRACE"
    #endif
    #ifdef OPTLAND_SANITIZE
        " OPTLAND_SANITIZE"
    #endif
    ;
    """
    const char *optland_switches

SWITCHES = optland_switches.decode().split()
