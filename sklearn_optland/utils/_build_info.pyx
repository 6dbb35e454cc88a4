"""What the compiler was told, as ``sklearn_optland.show_versions()`` prints it."""

cdef extern from *:
    """
    #ifdef _OPENMP
        #define OPTLAND_OPENMP 1
    #else
        #define OPTLAND_OPENMP 0
    #endif

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
    bint OPTLAND_OPENMP
    const char *optland_switches

OPENMP = bool(OPTLAND_OPENMP)
SWITCHES = optland_switches.decode().split()
